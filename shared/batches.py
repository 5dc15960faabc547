"""Batches: many items in one request, each read, stored and given its own verdict."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Collection, Sequence, Sized
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import orjson

from shared.errors import Invalid
from shared.fields import Fields, kind_of
from shared.http import JSONResponse
from shared.log.record import Fact, Outbox

MAX_ITEMS = 1_000
MAX_FACT_BYTES = 4 * 1024 * 1024
# A body of this size takes long enough to read that the event loop should not do it.
THREAD_BYTES = 64 * 1024
DIGEST_BYTES = 16
CONFLICT = "was accepted before with other content, which stays; send this under another id"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Draft:
    """An item that was read without a fault; `ignored` names the fields in it not known here.

    `name` is what its caller knows it by: the field of its id, or the item itself.
    """

    fact: Fact
    ignored: tuple[str, ...] = ()
    name: str = "id"


@dataclass(frozen=True, slots=True)
class Refused:
    """An item that is not stored, and every reason.

    `taken_id` is the id under which other content was accepted before, when that is the reason.
    """

    faults: tuple[str, ...]
    taken_id: str = ""


def items_of(body: bytes, name: str, *, bare: bool = False) -> list[object]:
    """The items of a body `{name: [...]}`; with `bare`, a body without `name` is itself the item.

    Raises `Invalid`: no JSON object, no list, or (413) more than `MAX_ITEMS` items.
    """
    value = _parsed(body)
    if not isinstance(value, dict):
        raise Invalid(f"The body must be a JSON object, not {kind_of(value)}.")
    if bare and name not in value:
        return [value]
    items = value.get(name)
    if not isinstance(items, list):
        raise Invalid(f"The body must hold a list '{name}'.", param=name)
    require_bounded(items, name)
    return items


def require_bounded(items: Sized, name: str) -> None:
    """Raises `Invalid` (413) for more than `MAX_ITEMS` items."""
    if len(items) > MAX_ITEMS:
        raise Invalid(
            f"The list '{name}' holds {len(items)} items: at most {MAX_ITEMS} in one request.",
            param=name,
            code="too_many_items",
            status=413,
        )


def drafts_of(
    items: Sequence[object], read: Callable[[Fields], T], encode: Callable[[T], Fact]
) -> list[Draft | Refused]:
    """Each item as a fact, or all of its faults. What `read` found faulty is never encoded.

    The digest of a fact is that of what `read` found in its item.
    """
    return [_draft(item, read, encode) for item in items]


def digest_of(content: object) -> bytes:
    """A fingerprint of JSON values, times and dataclasses, whatever the order of their keys."""
    text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=DIGEST_BYTES).digest()


def bounded(draft: Draft) -> Draft | Refused:
    """The draft, unless its fact is too large for the log."""
    if len(draft.fact.value) > MAX_FACT_BYTES:
        return Refused((f"the item is larger than {MAX_FACT_BYTES} bytes",))
    return draft


async def store(
    drafts: Callable[[], Sequence[Draft | Refused]], size: int, outbox: Outbox
) -> Sequence[Draft | Refused]:
    """Make the drafts of a request of `size` bytes, and store their facts in one transaction.

    When it returns, every draft is durable; one whose id has other content already is refused.
    Raises what `drafts` raises, and `Unavailable`.
    """
    made = await asyncio.to_thread(drafts) if size > THREAD_BYTES else drafts()
    facts = [item.fact for item in made if isinstance(item, Draft)]
    refused = frozenset(await outbox.append(facts)) if facts else ()
    return [_settled(item, refused) for item in made] if refused else made


def batch_response(stored: Sequence[Draft | Refused]) -> JSONResponse:
    """The verdicts in the order of the items.

    The status is 400 when nothing at all was accepted, and 409 when that is for conflicts alone.
    """
    accepted = sum(isinstance(item, Draft) for item in stored)
    body = {
        "accepted": accepted,
        "rejected": len(stored) - accepted,
        "results": [_verdict(index, item) for index, item in enumerate(stored)],
    }
    if accepted or not stored:
        return JSONResponse(body)
    conflicts = all(isinstance(item, Refused) and item.taken_id for item in stored)
    return JSONResponse(body, status_code=409 if conflicts else 400)


def _parsed(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as strict:
        # json admits NaN and lone surrogates: then only the items that hold them are refused.
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise Invalid(f"The body is not valid JSON: {strict}.", code="invalid_json") from strict


def _draft(
    item: object, read: Callable[[Fields], T], encode: Callable[[T], Fact]
) -> Draft | Refused:
    if not isinstance(item, dict):
        return Refused((f"expected an object, got {kind_of(item)}",))
    fields = Fields(item)
    value = read(fields)
    if fields.faults:
        return Refused(tuple(fields.faults))
    fact = replace(encode(value), digest=digest_of(fields.said))
    return bounded(Draft(fact, fields.ignored))


def _settled(item: Draft | Refused, refused: Collection[Fact]) -> Draft | Refused:
    if isinstance(item, Refused) or item.fact not in refused:
        return item
    return Refused((f"{item.name}: {CONFLICT}",), taken_id=item.fact.event_id)


def _verdict(index: int, item: Draft | Refused) -> dict[str, Any]:
    match item:
        case Refused(faults, ""):
            return {"index": index, "status": "rejected", "faults": faults}
        case Refused(faults, taken_id):
            return {"id": taken_id, "status": "conflict", "faults": faults}
        case Draft(fact, ()):
            return {"id": fact.event_id, "status": "accepted"}
        case Draft(fact, ignored):
            return {"id": fact.event_id, "status": "accepted", "ignored": ignored}

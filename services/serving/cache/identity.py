"""When two requests are the same: the digest of what a request asks, and of all of it but its last question."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from services.serving.domain.body import JsonObject
from services.serving.domain.request import Kind, Request, message_text
from shared.errors import LeewayError

# The form of the digests: to be raised when what they are made of changes.
_FORM = 1

# Whose the call is, how it is sent and where the provider keeps it: none of it changes the answer.
_NOT_ASKED = frozenset(
    (
        "model",
        "stream",
        "metadata",
        "user",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
    )
)
# What is answered from what a server holds or finds elsewhere: the same request asks for something new.
_ELSEWHERE = (
    "previous_response_id",
    "conversation",
    "background",
    "container",
    "mcp_servers",
    "web_search_options",
    "prompt",
)
_CLIENTS_TOOLS = frozenset(("function", "custom"))
_KEPT = frozenset((Kind.CHAT, Kind.COMPLETION, Kind.RESPONSE, Kind.MESSAGE, Kind.EMBEDDING))
_ASKED = frozenset((Kind.CHAT, Kind.RESPONSE, Kind.MESSAGE))
_EXACT = 2**53


class NotSame(LeewayError):
    """No two requests like this one can be said to ask the same; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Question:
    """The last thing a user says in a request, and the digest of all the rest of it."""

    text: str
    rest: str


def digest_of(request: Request) -> str:
    """The SHA-256, in hexadecimal, of what a request asks. Raises `NotSame`.

    Requests are the same when they are of one protocol, for one model, both streams or both not, and equal
    as JSON: the order of members, white space and the form of a number (1, 1.0, 1e0) do not count, nor who
    asks. A number that JSON readers round is not compared; headers that go on to the provider are.
    """
    body = _asked(request)
    return sha256([*_kind_of_asking(request), _plain(body)])


def question_of(request: Request) -> Question | None:
    """The question of a conversation that ends with a user's text; None for any other request.

    Raises `NotSame`.
    """
    if request.kind not in _ASKED:
        return None
    body = _asked(request)
    name = "input" if request.kind is Kind.RESPONSE else "messages"
    said = body.get(name)
    turns = [{"role": "user", "content": said}] if isinstance(said, str) else said
    if not isinstance(turns, list) or not turns or not _is_text_of_user(turns[-1]):
        return None
    rest = {**body, name: [*turns[:-1], {**turns[-1], "content": None}]}
    told = sha256([*_kind_of_asking(request), "question", _plain(rest)])
    return Question(message_text(turns[-1]), told)


def has_tools(request: Request) -> bool:
    """Whether the model may call tools."""
    return any(request.body.tree.get(name) for name in ("tools", "functions"))


def sha256(value: object) -> str:
    """The SHA-256, in hexadecimal, of a JSON value in its one form: members sorted, no white space."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _kind_of_asking(request: Request) -> Sequence[object]:
    # A header that goes on to the provider, like a beta's name, may change the answer.
    headers = {name.lower(): value for name, value in request.headers.items()}
    return [_FORM, request.kind, request.model, request.streaming, headers]


def _asked(request: Request) -> JsonObject:
    tree = request.body.tree
    if request.kind not in _KEPT:
        raise NotSame(f"Answers of kind {request.kind} are not kept.")
    elsewhere = next((name for name in _ELSEWHERE if _is_given(tree, name, request.kind)), "")
    if elsewhere:
        raise NotSame(f"'{elsewhere}' is answered from what is not in the request.")
    if not all(_is_clients(tool) for tool in _list(tree.get("tools"))):
        raise NotSame("A tool of the provider's own may find something else each time.")
    unseen = _NOT_ASKED if request.streaming else _NOT_ASKED | {"stream_options"}
    return {name: value for name, value in tree.items() if name not in unseen}


def _is_given(tree: JsonObject, name: str, kind: Kind) -> bool:
    # A legacy completion's prompt is its text; anywhere else it is one that the provider holds.
    return bool(tree.get(name)) and not (name == "prompt" and kind is Kind.COMPLETION)


def _is_clients(tool: Any) -> bool:
    """Whether a client carries a tool's calls out; in Anthropic's protocol such a tool needs no type."""
    return isinstance(tool, dict) and tool.get("type", "custom") in _CLIENTS_TOOLS


def _is_text_of_user(turn: Any) -> bool:
    if not isinstance(turn, dict) or turn.get("role") != "user":
        return False
    content = turn.get("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else _list(content)
    return bool(parts) and all(
        isinstance(part, dict) and part.get("type") in ("text", "input_text") for part in parts
    )


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _plain(value: Any) -> Any:
    """The value with every number in one form."""
    match value:
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case list():
            return [_plain(each) for each in value]
        case float() if value.is_integer():
            if abs(value) > _EXACT:
                raise NotSame("A number is larger than JSON readers agree on.")
            return int(value)
        case _:
            return value

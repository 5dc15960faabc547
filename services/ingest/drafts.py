"""Interactions as `Record` brings them, turned into the items of POST /v1/interactions."""

from collections.abc import Mapping, Sequence

import orjson
from google.protobuf.message import Message

from leeway_pb.v1.ingest_rpc_pb2 import (
    InteractionDraft,
    RecordReply,
    RecordRequest,
    Verdict,
)

from shared.batches import Draft, Refused, require_bounded

MICROSECONDS = 1_000_000

# Fields whose name and meaning are the same in both; the empty value is absent.
_TEXTS = (
    "id",
    "kind",
    "status",
    "model",
    "provider",
    "response_model",
    "usage_dialect",
    "session_id",
    "user_id",
    "trace_id",
    "span_id",
    "parent_span_id",
    "environment",
    "decision",
)
_TIMES = ("started_at", "ended_at", "first_token_at")
_OBJECTS = ("options", "usage", "features")


def drafted_items(request: RecordRequest) -> Sequence[Mapping[str, object]]:
    """The items of a request. Raises `Invalid` (413) for too many."""
    require_bounded(request.interactions, "interactions")
    return [_item(draft) for draft in request.interactions]


def record_reply(stored: Sequence[Draft | Refused]) -> RecordReply:
    """The verdicts in the order of the interactions."""
    accepted = sum(isinstance(item, Draft) for item in stored)
    return RecordReply(
        accepted=accepted,
        rejected=len(stored) - accepted,
        verdicts=[_verdict(item) for item in stored],
    )


def _item(draft: InteractionDraft) -> dict[str, object]:
    item: dict[str, object] = {name: getattr(draft, name) for name in _TEXTS}
    for name in _TIMES:
        # Seconds as a float hold microseconds exactly until the year 2255.
        micros = getattr(draft, f"{name}_us")
        item[name] = micros / MICROSECONDS if micros else None
    for name in _OBJECTS:
        item[name] = _parsed(getattr(draft, name))
    item["input"] = _parsed(draft.input_messages) if draft.input_messages else draft.input
    item["output"] = _parsed(draft.output_messages) if draft.output_messages else draft.output
    item["streaming"] = draft.streaming
    item["finish_reasons"] = list(draft.finish_reasons)
    item["embedding"] = list(draft.embedding)
    item["tags"] = dict(draft.tags)
    item["prompt"] = _part(draft, "prompt", ("name", "version"))
    item["error"] = _part(draft, "error", ("type", "message", "status"))
    item["decision_score"] = draft.decision_score if draft.HasField("decision_score") else None
    return {name: value for name, value in item.items() if value not in ("", None)}


def _parsed(text: str) -> object:
    """The JSON in a text; what is no JSON stays text, which is then refused where an object is due."""
    if not text:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _part(draft: Message, name: str, fields: Sequence[str]) -> dict[str, object] | None:
    part = getattr(draft, name)
    return {field: getattr(part, field) for field in fields} if draft.HasField(name) else None


def _verdict(item: Draft | Refused) -> Verdict:
    if isinstance(item, Refused):
        return Verdict(faults=item.faults)
    return Verdict(id=item.fact.event_id)

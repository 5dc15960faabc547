"""An interaction as the server's `POST /v1/interactions` wants it, completed from the context."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypedDict, Union

from leeway.context import current_place, current_session
from leeway.encoding import moment
from leeway.ids import new_span_id

KINDS = frozenset({"chat", "completion", "response", "message", "embedding", "predict"})
STATUSES = frozenset({"ok", "error", "interrupted", "cancelled"})

Moment = Union[float, str, datetime]
Messages = Union[str, Sequence[Mapping[str, object]], Mapping[str, object]]
Prompt = Union[str, Mapping[str, str]]


class Circumstances(TypedDict, total=False):
    """When, where and for whom a model was asked, whatever it was asked."""

    started_at: Moment | None
    ended_at: Moment | None
    provider: str | None
    response_model: str | None
    session_id: str | None
    user_id: str | None
    trace_id: str | None
    span_id: str | None
    parent_span_id: str | None
    environment: str | None
    tags: Mapping[str, str] | None
    embedding: Sequence[float] | None
    id: str | None


def interaction_item(
    *, told: Mapping[str, object], environment: str, now: float | None = None
) -> dict[str, object]:
    """The item of what the caller told, with session, user, tags and trace from the context.

    Raises `ValueError` with every fault that would make the server refuse it.
    """
    item = {name: value for name, value in told.items() if value is not None}
    faults = list(_faults(item))
    if faults:
        raise ValueError("; ".join(faults))
    _put_times(item, time.time() if now is None else now)
    _put_context(item, environment)
    if isinstance(item.get("prompt"), str):
        name, _, version = str(item["prompt"]).partition("@")
        item["prompt"] = {"name": name, "version": version}
    return item


def checked_tags(tags: Mapping[str, str] | None) -> dict[str, str]:
    """Tags with their values as text; raises `ValueError` when they are no mapping."""
    if tags is None:
        return {}
    if not isinstance(tags, Mapping):
        raise ValueError(f"tags must be a mapping of strings, got {type(tags).__name__}")  # noqa: TRY004 - one error type for all faults
    return {str(name): str(value) for name, value in tags.items()}


def _faults(item: Mapping[str, object]) -> list[str]:
    checks = (
        (isinstance(item.get("model"), str) and item["model"], "model must be a name"),
        (item.get("kind") in KINDS, f"kind must be one of {', '.join(sorted(KINDS))}"),
        (
            item.get("status", "ok") in STATUSES,
            f"status must be one of {', '.join(sorted(STATUSES))}",
        ),
        (
            item.get("kind") != "predict" or item.get("decision"),
            "decision must be told where kind is predict",
        ),
    )
    return [fault for holds, fault in checks if not holds]


def _put_times(item: dict[str, object], now: float) -> None:
    ended = item.get("ended_at", now)
    item["ended_at"] = ended
    item.setdefault("started_at", ended)
    for name in ("started_at", "ended_at", "first_token_at"):
        value = item.get(name)
        if isinstance(value, (int, float, str, datetime)):
            item[name] = moment(value)


def _put_context(item: dict[str, object], environment: str) -> None:
    session, place = current_session(), current_place()
    given = item.get("tags")
    tags = {**session.tags, **checked_tags(given if isinstance(given, Mapping) else None)}
    found: dict[str, object] = {
        "session_id": session.id,
        "user_id": session.user,
        "environment": environment,
    }
    if place is not None and "trace_id" not in item:
        found["trace_id"] = place.trace_id
        found["parent_span_id"] = place.span_id
        found["span_id"] = new_span_id()
    for name, value in found.items():
        if value:
            item.setdefault(name, value)
    if tags:
        item["tags"] = tags

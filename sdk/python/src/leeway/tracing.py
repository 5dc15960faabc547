"""Spans: what an application does around its model calls, nested through context variables."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from leeway.context import Place, current_place, current_session, move_to
from leeway.counters import Counters
from leeway.encoding import glance, plain
from leeway.guard import Shield, nothing, promised, said
from leeway.ids import new_span_id, new_trace_id

if TYPE_CHECKING:
    from typing_extensions import Self

_MAX_EVENTS = 100
_MAX_NAME = 256
_MAX_MESSAGE = 2_000


class SpanTaker(Protocol):
    """Where spans go when they end."""

    @property
    def counters(self) -> Counters:
        """Where faults are counted."""
        ...

    def take_span(self, item: Mapping[str, object]) -> None:
        """Take a span that has ended on its way."""
        ...


class Span:
    """`with leeway.span("retrieve", kind="retriever") as span: span.set("documents", 7)`

    What the block raises is recorded and goes on unchanged. A span that is entered again is a new one.
    """

    def __init__(
        self,
        taker: SpanTaker,
        name: str,
        *,
        kind: str = "span",
        attributes: Mapping[str, object] | None = None,
    ) -> None:
        self._taker = taker
        self.name = str(name)[:_MAX_NAME] or "span"
        self.kind = str(kind)
        self.trace_id = ""
        self.span_id = ""
        self.parent_span_id = ""
        self._given = attributes
        self._attributes: dict[str, object] = {}
        self._events: list[Mapping[str, object]] = []
        self._started_at = 0.0
        self._session = current_session()
        self._before: Place | None = None

    @property
    def counters(self) -> Counters:
        """Where a broken call is counted."""
        return self._taker.counters

    @property
    def place(self) -> Place:
        """What this span is to its children."""
        return Place(self.trace_id, self.span_id)

    @promised(nothing)
    def set(self, name: str, value: object) -> None:
        """Set an attribute."""
        self._attributes[str(name)] = plain(value) if _is_small(value) else glance(value)

    @promised(nothing)
    def event(self, name: str, attributes: Mapping[str, object] | None = None) -> None:
        """Note that something happened now."""
        if len(self._events) < _MAX_EVENTS:
            told = {str(key): glance(value) for key, value in (attributes or {}).items()}
            self._events.append({"name": str(name), "at": time.time(), "attributes": told})

    def begin(self) -> None:
        """Start the span without making it the innermost one."""
        parent = current_place()
        self.trace_id = parent.trace_id if parent else new_trace_id()
        self.parent_span_id = parent.span_id if parent else ""
        self.span_id = new_span_id()
        self._attributes = {"leeway.kind": self.kind}
        self._events = []
        self._session = current_session()
        self._started_at = time.time()
        with Shield("leeway.span", self._taker.counters):
            for name, value in (self._given or {}).items():
                self.set(name, value)

    def end(self, fault: BaseException | None = None) -> None:
        """Send the span: with an error, unless it ended well or was closed by its reader."""
        with Shield("leeway.span", self._taker.counters):
            failure = None if isinstance(fault, GeneratorExit) else fault
            if failure is not None:
                self._note_fault(failure)
            self._taker.take_span(self._item(failure))

    def __enter__(self) -> Self:
        self.begin()
        self._before = move_to(self.place)
        return self

    def __exit__(self, kind: object, fault: BaseException | None, trace: object) -> None:
        move_to(self._before)
        self.end(fault)

    def _note_fault(self, fault: BaseException) -> None:
        lines = traceback.format_exception(type(fault), fault, fault.__traceback__)
        told = {
            "exception.type": type(fault).__qualname__,
            "exception.message": said(fault).partition(": ")[2],
            "exception.stacktrace": "".join(lines),
        }
        self.event("exception", told)

    def _item(self, failure: BaseException | None) -> dict[str, object]:
        session = self._session
        item: dict[str, object] = {
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "parent_span_id": self.parent_span_id,
            "name": self.name,
            "kind": "internal",
            "status": "ok" if failure is None else "error",
            "started_at": self._started_at,
            "ended_at": max(self._started_at, time.time()),
            "session_id": session.id,
            "user_id": session.user,
            "attributes": {**session.tags, **self._attributes},
            "events": self._events,
        }
        if failure is not None:
            item["status_message"] = said(failure)[:_MAX_MESSAGE]
        return item


def _is_small(value: object) -> bool:
    return value is None or isinstance(value, (bool, int, float))

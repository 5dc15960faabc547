"""How an upstream's answer is read: its JSON, leniently where servers write it so, and its stream as it comes."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import msgspec
import orjson

from services.serving.domain.account import Event
from services.serving.domain.body import JsonObject
from services.serving.domain.failure import UpstreamFailed, malformed
from services.serving.domain.sse import EventSplitter, EventTooLarge, event_data
from services.serving.providers.port import Stream
from services.serving.providers.upstream import Target, UpstreamHttp


class StreamReader(Protocol):
    """Reads one stream of one upstream."""

    @property
    def ended(self) -> bool:
        """The answer is whole: nothing more of the stream is read."""
        ...

    def feed(self, chunk: bytes, events: list[Event]) -> None:
        """Append the events that a chunk completes. Raises `UpstreamFailed` after those that were whole."""
        ...

    def close(self, events: list[Event]) -> None:
        """Append what ends an answer whose stream has ended. Raises `UpstreamFailed` unless it is whole."""
        ...


class EventReader(Protocol):
    """Reads the events of one stream of server-sent events."""

    @property
    def ended(self) -> bool:
        """The answer is whole: nothing more of the stream is read."""
        ...

    def read(self, raw: bytes, data: bytes | None, events: list[Event]) -> None:
        """Append what the client is sent for an event; `data` is None for a comment. Raises `UpstreamFailed`."""
        ...

    def close(self, events: list[Event]) -> None:
        """Append what ends an answer whose stream has ended. Raises `UpstreamFailed` unless it is whole."""
        ...


class SseReader:
    """Cuts a stream of server-sent events into the events that a reader reads; satisfies `StreamReader`."""

    def __init__(self, provider: str, limit: int, reader: EventReader) -> None:
        self._provider = provider
        self._splitter = EventSplitter(limit)
        self._reader = reader

    @property
    def ended(self) -> bool:
        return self._reader.ended

    def feed(self, chunk: bytes, events: list[Event]) -> None:
        try:
            whole = self._splitter.feed(chunk)
        except EventTooLarge as fault:
            raise malformed(self._provider, "sent an event that is too large") from fault
        for raw in whole:
            self._reader.read(raw, event_data(raw), events)
            if self._reader.ended:
                return

    def close(self, events: list[Event]) -> None:
        self._reader.close(events)


async def relayed(http: UpstreamHttp, target: Target, body: bytes, reader: StreamReader) -> Stream:
    """The answer to a request in batches of events, as `Provider.stream` promises them."""
    async with http.events(target, body) as chunks:
        async for chunk in chunks:
            events: list[Event] = []
            try:
                reader.feed(chunk, events)
            except UpstreamFailed:
                if events:  # what came whole before the fault is the client's
                    yield events
                raise
            if events:
                yield events
            if reader.ended:
                return
    last: list[Event] = []
    reader.close(last)
    yield last


def cut_off(provider: str) -> UpstreamFailed:
    """A stream that ended before it said that the answer is whole."""
    return malformed(provider, "ended a stream before its end")


def read_json(body: bytes, provider: str) -> JsonObject:
    """The JSON object that an upstream sent.

    Servers that write JSON with the standard library send lone surrogates (half a character a delta)
    and NaN, which orjson refuses: such a text is passed on as it is, and read again more leniently.
    """
    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError:
        tree = _read_leniently(body, provider)
    if not isinstance(tree, dict):
        raise malformed(provider, "answered with JSON that is no object")
    return tree


@contextmanager
def whole_shapes(provider: str) -> Iterator[None]:
    """An answer that lacks what every answer of its protocol has is none: `UpstreamFailed`."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError, orjson.JSONEncodeError) as fault:
        raise malformed(provider, "answered with a broken message") from fault


def verbatim(body: bytes, path: Sequence[str], value: Any) -> str:
    """The JSON text of a member as the upstream wrote it, told by the names that lead to it.

    `value` is what was read there: it is written anew when the body is JSON only to a lenient reader.

    >>> verbatim(b'{"usage": {"n": 1.0}}', ("usage",), {"n": 1.0})
    '{"n": 1.0}'
    """
    member = msgspec.Raw(body)
    try:
        for name in path:
            member = _MEMBERS.decode(member)[name]
        return bytes(member).decode()
    except msgspec.DecodeError:
        return json.dumps(value)


def _read_leniently(body: bytes, provider: str) -> Any:
    if not body.strip():
        raise malformed(provider, "answered with an empty body")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as fault:
        raise malformed(provider, "answered with what is no JSON") from fault


_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])

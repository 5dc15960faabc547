"""Server-sent events as bytes: where one ends, and what its data is (WHATWG HTML, section 9.2.6)."""

import re


class EventTooLarge(Exception):
    """One event is larger than the bound."""


class EventSplitter:
    """Cuts a byte stream, however it is chunked, into whole events; one is not waited for beyond `limit` bytes.

    >>> splitter = EventSplitter(limit=1000)
    >>> splitter.feed(b"data: 1\\n\\nda"), splitter.feed(b"ta: 2\\r\\n\\r\\n"), splitter.pending
    ([b'data: 1\\n\\n'], [b'data: 2\\r\\n\\r\\n'], b'')
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()
        self._searched = 0

    @property
    def pending(self) -> bytes:
        """The beginning of an event whose end has not come."""
        return bytes(self._kept)

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events that the chunk completes, each with the blank line that ends it.

        Joined, all events and `pending` are what was fed. Raises `EventTooLarge` when what is pending
        was larger than the bound already; what it was fed before is not lost by that.
        """
        if len(self._kept) > self._limit:
            raise EventTooLarge
        self._kept += chunk
        events: list[bytes] = []
        start = 0
        for blank in _BLANK_LINE.finditer(self._kept, self._searched):
            end = blank.end()
            if end == len(self._kept) and blank[0].endswith(b"\r"):
                break  # a line feed may belong to this line end: wait for the next byte
            events.append(bytes(self._kept[start:end]))
            start = end
        del self._kept[:start]
        # A blank line may have begun in the last three bytes: \r\n\r of \r\n\r\n.
        self._searched = max(0, len(self._kept) - 3)
        return events


def event_data(event: bytes) -> bytes | None:
    """The data of an event, its lines joined by line feeds; None when it has none (a comment)."""
    whole = _ONE_LINE.fullmatch(event)
    if whole:
        return whole[1]
    lines = _LINE_END.split(event)
    values = [line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:")]
    values += [b"" for line in lines if line == b"data"]
    return b"\n".join(values) if values else None


def data_event(data: bytes) -> bytes:
    """The event of one line of data."""
    return b"data: " + data + b"\n\n"


def named_event(name: str, data: bytes) -> bytes:
    """The event of one line of data, under a name."""
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


def comment(text: str) -> bytes:
    """A line that clients must ignore."""
    return f": {text}\n\n".encode()


DONE = data_event(b"[DONE]")

_BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")
_ONE_LINE = re.compile(rb"data: ?([^\r\n]*)[\r\n]+")
_LINE_END = re.compile(rb"\r\n|\n|\r")

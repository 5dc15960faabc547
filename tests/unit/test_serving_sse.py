"""Server-sent events: the same events however the bytes are chunked."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.serving.domain.sse import DONE, EventSplitter, EventTooLarge, data_event, event_data

line_ends = st.sampled_from([b"\n", b"\r\n", b"\r"])
fields = st.sampled_from([b"data: {}", b"data:x", b"data", b": hello", b"event: a", b"id: \xff"])


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    lines = draw(st.lists(st.tuples(fields | st.just(b""), line_ends), max_size=12))
    return b"".join(line + end for line, end in lines)


def split(chunks: list[bytes]) -> tuple[list[bytes], bytes]:
    splitter = EventSplitter(limit=10_000)
    events = [event for chunk in chunks for event in splitter.feed(chunk)]
    return events, splitter.pending


@given(streams(), st.data())
def test_how_a_stream_is_chunked_changes_no_event(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)))))
    edges = [0, *cuts, len(stream)]
    chunks = [stream[a:b] for a, b in pairwise(edges)]

    events, pending = split(chunks)

    assert (events, pending) == split([stream])
    assert (events, pending) == split([bytes([byte]) for byte in stream])
    assert b"".join(events) + pending == stream


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_an_event_ends_with_a_blank_line(end: bytes) -> None:
    one, two = b"data: 1" + end * 2, b"data: 2" + end + b"data: 3" + end * 2

    assert split([one + two + b"data"]) == ([one, two], b"data")


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"data: x\n\n", b"x"),
        (b"data:x\r\n\r\n", b"x"),
        (b"data:  x\n\n", b" x"),
        (b"event: e\ndata: a\ndata: b\nid: 1\n\n", b"a\nb"),
        (b"data\n\n", b""),
        (b"data:\n\n", b""),
        (b": comment\n\n", None),
        (b"\n\n", None),
        (b"database: x\n\n", None),
    ],
)
def test_data_is_read_as_the_standard_says(event: bytes, data: bytes | None) -> None:
    assert event_data(event) == data


def test_what_is_written_is_read_back() -> None:
    assert (event_data(data_event(b'{"a":1}')), event_data(DONE)) == (b'{"a":1}', b"[DONE]")


def test_an_event_without_an_end_is_not_waited_for_beyond_the_bound() -> None:
    splitter = EventSplitter(limit=10)

    assert splitter.feed(b"data: 1\n\ndata: 12345") == [b"data: 1\n\n"]
    with pytest.raises(EventTooLarge):
        splitter.feed(b"6")

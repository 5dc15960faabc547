"""AWS's event stream: whole however it is cut, and refused when a bit of it has changed."""

import json
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.serving.providers.bedrock.frames import BrokenFrame, FrameSplitter, Message
from tests.tapes import frame, frame_of, framed

HEADERS = {":event-type": "a", ":message-type": "event", ":content-type": "application/json"}
STREAM = frame("a", {"text": "Zürich"}) + frame("b", {}) + frame_of({}, b"")


def read(chunks: list[bytes], limit: int = 10_000) -> list[Message]:
    splitter = FrameSplitter(limit)
    return [message for chunk in chunks for message in splitter.feed(chunk)]


@given(st.lists(st.integers(0, len(STREAM)), max_size=6))
def test_messages_are_whole_however_the_stream_is_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]

    messages = read([STREAM[a:b] for a, b in pairwise(places)])

    assert [json.loads(m.payload) if m.payload else None for m in messages] == [
        {"text": "Zürich"},
        {},
        None,
    ]
    assert [m.headers for m in messages] == [HEADERS, {**HEADERS, ":event-type": "b"}, {}]


@given(st.integers(0, len(STREAM) - 1), st.integers(0, 7))
def test_one_changed_bit_is_never_taken_for_a_message(place: int, bit: int) -> None:
    changed = bytearray(STREAM)
    changed[place] ^= 1 << bit
    whole = read([STREAM])

    came: list[Message] = []
    with suppress(BrokenFrame):  # or it waits for bytes that do not come
        for message in FrameSplitter(10_000).feed(bytes(changed)):
            came.append(message)  # noqa: PERF402 - those before the fault

    assert came == whole[: len(came)]
    assert len(came) < len(whole)


def test_a_message_beyond_the_bound_is_not_waited_for() -> None:
    with pytest.raises(BrokenFrame, match="says that it is"):
        read([frame("a", {"text": "x" * 100})[:16]], limit=100)


def test_headers_that_are_no_texts_are_passed_over() -> None:
    """A truth, a byte, a short, an int, a long, bytes, a time and a UUID before a text."""
    values = [b"\x00", b"\x02\x01", b"\x03\x00\x01", b"\x04" + bytes(4), b"\x05" + bytes(8)]
    values += [b"\x06\x00\x02ab", b"\x08" + bytes(8), b"\x09" + bytes(16), b"\x07\x00\x01t"]
    packed = b"".join(b"\x01" + bytes([97 + n]) + value for n, value in enumerate(values))
    [read_back] = read([framed(packed, b"")])

    assert read_back == Message({"i": "t"}, b"")

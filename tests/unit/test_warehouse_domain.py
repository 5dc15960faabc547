"""Framing: what the engine will read is what protobuf would have written."""

import doctest

from hypothesis import given
from hypothesis import strategies as st

from leeway_pb.v1.span_pb2 import SpanEnded

from services.warehouse import domain, faults, words
from services.warehouse.domain import Placed, chunks, frame, token, varint
from services.warehouse.gate import functions, tables

FACT = SpanEnded(trace_id="t", span_id="s", tenant="acme", attributes={"a": "b"})
PLACED = Placed(FACT.SerializeToString(), "edge-0", "e1", 300, 11, 2**40, 1_767_225_600_000_000)


def test_the_examples_in_the_documentation_are_true() -> None:
    for module in (domain, faults, words, functions, tables):
        assert doctest.testmod(module).failed == 0, module.__name__


def test_a_frame_is_the_message_with_its_position_and_its_length_before_it() -> None:
    framed = frame(PLACED)

    read = SpanEnded.FromString(framed[1:])

    assert framed[:1] == varint(len(framed) - 1)
    assert (read.tenant, read._producer, read._epoch) == ("acme", "edge-0", "e1")
    assert (read._seq, read._partition, read._offset) == (300, 11, 2**40)
    assert read._accepted_at_us == 1_767_225_600_000_000


def test_what_a_producer_says_of_its_position_does_not_count() -> None:
    liar = SpanEnded(_producer="other", _seq=9).SerializeToString()

    read = SpanEnded.FromString(frame(Placed(liar, "edge-0", "e1", 1, 0, 0, 1))[1:])

    assert (read._producer, read._seq) == ("edge-0", 1)


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(1, 60))
def test_chunks_cover_every_frame_once_and_hold_the_limit(sizes: list[int], limit: int) -> None:
    parts = [sizes[part] for part in chunks(sizes, limit)]

    assert [size for part in parts for size in part] == sizes
    assert all(part for part in parts)
    assert all(sum(part) <= limit or len(part) == 1 for part in parts)


def test_a_token_is_the_same_for_the_same_block_only() -> None:
    same = token("spans", "schema", [PLACED], b"block")

    assert token("spans", "schema", [PLACED], b"block") == same
    assert same.startswith("spans:")
    others = [
        token("usage", "schema", [PLACED], b"block"),
        token("spans", "schema 2", [PLACED], b"block"),
        token("spans", "schema", [PLACED, PLACED], b"block"),
        token("spans", "schema", [PLACED], b"block 2"),
    ]
    assert len({same, *others}) == 5

"""Framing: what the engine will read is what protobuf would have written."""

import doctest

from hypothesis import given
from hypothesis import strategies as st

from leeway_pb.v1.span_pb2 import SpanEnded

from services.warehouse import domain, faults, words
from services.warehouse.domain import chunks, frames, token, varint
from services.warehouse.gate import functions, tables
from shared.log.record import Record

FACT = SpanEnded(trace_id="t", span_id="s", tenant="acme", attributes={"a": "b"})
TOPIC = "span.ended.v1"


def a_record(value: bytes, seq: int, offset: int = 2**40) -> Record:
    return Record(
        "edge-0/e1",
        offset,
        TOPIC,
        11,
        "edge-0",
        "e1",
        seq,
        "acme",
        "id",
        1_767_225_600_000_000,
        value,
    )


PLACED = a_record(FACT.SerializeToString(), 300)


def test_the_examples_in_the_documentation_are_true() -> None:
    for module in (domain, faults, words, functions, tables):
        assert doctest.testmod(module).failed == 0, module.__name__


def test_a_frame_is_the_message_with_its_position_and_its_length_before_it() -> None:
    (framed,) = frames([PLACED])

    read = SpanEnded.FromString(framed[1:])

    assert framed[:1] == varint(len(framed) - 1)
    assert (read.tenant, read._producer, read._epoch) == ("acme", "edge-0", "e1")
    assert (read._seq, read._partition, read._offset) == (300, 11, 2**40)
    assert read._accepted_at_us == 1_767_225_600_000_000


def test_what_a_producer_says_of_its_position_does_not_count() -> None:
    liar = SpanEnded(_producer="other", _seq=9).SerializeToString()

    (framed,) = frames([a_record(liar, 1)])
    read = SpanEnded.FromString(framed[1:])

    assert (read._producer, read._seq) == ("edge-0", 1)


@given(st.integers(1, 2**64 - 1))
def test_a_varint_is_what_protobuf_writes(number: int) -> None:
    key = varint(SpanEnded._SEQ_FIELD_NUMBER << 3)

    assert key + varint(number) == SpanEnded(_seq=number).SerializeToString()


@given(st.lists(st.tuples(st.integers(1, 2**40), st.integers(0, 2**40)), max_size=20))
def test_every_fact_of_a_batch_has_its_own_position(places: list[tuple[int, int]]) -> None:
    framed = frames([a_record(b"", seq, offset) for seq, offset in places])

    read = [SpanEnded.FromString(each[1:]) for each in framed]
    assert [(each._seq, each._offset) for each in read] == places
    assert {each._producer for each in read} <= {"edge-0"}


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(1, 60))
def test_chunks_cover_every_frame_once_and_stay_near_the_aim(sizes: list[int], aim: int) -> None:
    parts = [sizes[part] for part in chunks(sizes, aim)]

    assert [size for part in parts for size in part] == sizes
    assert all(part for part in parts)
    assert all(sum(part) <= 2 * aim + max(sizes) for part in parts)


def test_no_chunk_is_a_small_rest() -> None:
    assert [part.stop - part.start for part in chunks([10] * 101, aim=1000)] == [101]
    assert [part.stop - part.start for part in chunks([10] * 151, aim=1000)] == [76, 75]


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

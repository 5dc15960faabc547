"""The sink's decisions, with a store in memory: which block under which token, and who is to blame."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from services.warehouse.stream import Sink
from shared.clickhouse import ProtobufSchema
from shared.clock import SimulatedClock, micros
from shared.errors import Invalid, Unavailable
from shared.log.record import Record
from tests.builders import NOW

TOPIC = "interaction.completed.v1"


class FakeInserts:
    """A store in memory that refuses every block with `poison` in it."""

    schemas: Mapping[str, ProtobufSchema] = dict.fromkeys(
        ("interactions", "usage"), ProtobufSchema("schema", "M")
    )

    def __init__(self, *, down: bool = False, refusing: str = "") -> None:
        self.down = down
        self.refusing = refusing
        self.blocks: dict[str, bytes] = {}

    async def insert(self, table: str, block: bytes, token: str) -> None:
        if self.down or table == self.refusing:
            raise Unavailable("down")
        if b"poison" in block:
            raise Invalid("poison in it")
        self.blocks.setdefault(token, block)


def _records(*values: bytes) -> list[Record]:
    return [
        Record("edge-0.db", n, TOPIC, 0, "edge-0", "e1", n + 1, "acme", f"id-{n}", 1, value)
        for n, value in enumerate(values)
    ]


def _sink(store: FakeInserts) -> Sink:
    return Sink(store, {TOPIC: "interactions"}, SimulatedClock(NOW))


async def test_a_batch_is_one_block() -> None:
    store = FakeInserts()

    await _sink(store).handle(_records(b"a", b"b", b"c"))

    assert len(store.blocks) == 1


async def test_the_same_batch_again_has_the_same_tokens_even_when_it_was_halved() -> None:
    store = FakeInserts()
    batch = _records(b"a", b"poison", b"c", b"d", b"poison", b"f")

    first = await _sink(store).handle(batch)
    tokens = set(store.blocks)
    second = await _sink(store).handle(batch)

    assert set(store.blocks) == tokens
    assert [letter.record.seq for letter in first.dead_letters] == [2, 5]
    assert [letter.record.seq for letter in second.dead_letters] == [2, 5]


async def test_everything_but_the_poison_is_stored_once() -> None:
    store = FakeInserts()

    await _sink(store).handle(_records(b"aa", b"poison", b"cc"))

    stored = b"".join(store.blocks.values())
    assert [stored.count(value) for value in (b"aa", b"poison", b"cc")] == [1, 0, 1]


async def test_a_dead_letter_tells_what_the_engine_said() -> None:
    effect = await _sink(FakeInserts()).handle(_records(b"poison"))

    assert [letter.reason for letter in effect.dead_letters] == ["poison in it"]


async def test_a_store_that_is_down_blames_no_record() -> None:
    with pytest.raises(Unavailable):
        await _sink(FakeInserts(down=True)).handle(_records(b"a"))


def test_the_sink_asks_for_exact_batches() -> None:
    assert Sink.exact_batches is True


async def test_a_table_that_is_down_keeps_no_other_from_being_stored() -> None:
    store = FakeInserts(refusing="usage")
    sink = Sink(store, {TOPIC: "interactions", "usage.rated.v1": "usage"}, SimulatedClock(NOW))
    rated = [replace(record, topic="usage.rated.v1") for record in _records(b"rated")]

    with pytest.raises(Unavailable):
        await sink.handle([*rated, *_records(b"told")])

    assert [block.count(b"told") for block in store.blocks.values()] == [1]


async def test_freshness_is_the_age_of_a_stored_blocks_oldest_record() -> None:
    accepted_at_us = micros(NOW)
    batch = [
        replace(record, accepted_at_us=accepted_at_us - age_us)
        for record, age_us in zip(_records(b"a", b"b"), (250_000, 100_000), strict=True)
    ]
    count, seconds = _freshness("count"), _freshness("sum")

    await _sink(FakeInserts()).handle(batch)

    assert _freshness("count") - count == 1
    assert _freshness("sum") - seconds == pytest.approx(0.25)


async def test_what_is_not_stored_has_no_freshness() -> None:
    count = _freshness("count")

    await _sink(FakeInserts()).handle(_records(b"poison"))

    assert _freshness("count") == count


def _freshness(what: str) -> float:
    labels = {"table": "interactions"}
    return REGISTRY.get_sample_value(f"leeway_freshness_seconds_{what}", labels) or 0.0

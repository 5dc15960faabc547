"""What is told of an outbox: what waits in it, its size, and the room beside it."""

from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from shared.clock import SimulatedClock
from shared.log.folder import FolderLog
from shared.log.gauges import OutboxGauges
from shared.log.outbox import SqliteOutbox
from shared.log.record import DeadLetter, Effect, Fact, Position
from shared.topics import INTERACTION_COMPLETED
from tests.builders import NOW, a_record


def told(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"leeway_{name}", labels) or 0.0


def facts(count: int) -> list[Fact]:
    return [Fact(INTERACTION_COMPLETED, "acme", f"event-{n}", b"x" * 1000) for n in range(count)]


@pytest.mark.parametrize(("passed", "waiting"), [((0, 0), 10), ((10, 4), 7), ((11, 11), 0)])
async def test_what_the_slowest_reader_has_not_passed_waits(
    tmp_path: Path, passed: tuple[int, int], waiting: int
) -> None:
    clock = SimulatedClock(NOW)
    async with SqliteOutbox(tmp_path / "edge.db", clock) as outbox:
        await outbox.append(facts(10))
        gauges = OutboxGauges("edge", tmp_path, ["a", "b"], clock)
        (source,) = (reader.source for reader in FolderLog(tmp_path).readers())
        for group, offset in zip("ab", passed, strict=True):
            await outbox.commit(group, {source: Position(offset)}, Effect())

        gauges.measure()

    assert told("outbox_records") == waiting
    assert told("outbox_bytes") > 10_000
    assert told("data_free_bytes") > 0


async def test_every_fact_that_is_taken_is_counted_by_its_topic(tmp_path: Path) -> None:
    topic = INTERACTION_COMPLETED.name
    before = told("facts_accepted_total", topic=topic)

    async with SqliteOutbox(tmp_path / "edge.db", SimulatedClock(NOW)) as outbox:
        await outbox.append(facts(3))

    assert told("facts_accepted_total", topic=topic) - before == 3


async def test_what_groups_gave_up_on_is_told_by_topic_and_group(tmp_path: Path) -> None:
    clock, labels = SimulatedClock(NOW), {"topic": "interaction.completed.v1", "group": "depth"}
    letters = [DeadLetter(a_record(fact), "no") for fact in facts(3)]
    async with SqliteOutbox(tmp_path / "edge.db", clock) as outbox:
        await outbox.commit("depth", {}, Effect(dead_letters=letters))

        OutboxGauges("edge", tmp_path, [], clock).measure()

    assert told("dead_letter_depth", **labels) == 3

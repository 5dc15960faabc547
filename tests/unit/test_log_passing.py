"""What a group does while it moves past others' records: nothing of it is urgent, and nothing ends it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from structlog.testing import capture_logs

from shared.clock import SimulatedClock
from shared.errors import Unavailable
from shared.log.consumer import Consumer, ConsumerLimits
from shared.log.record import Effect, Moved, Record
from shared.topics import FEEDBACK_RECEIVED, INTERACTION_COMPLETED
from tests.builders import NOW, a_record
from tests.logs import a_fact
from tests.scripted import ScriptedLog, ScriptedStore, pass_time, turns

LIMITS = ConsumerLimits(idle_commit_seconds=10)
FULL = Unavailable("The outbox cannot be written: database or disk is full.")


class Taking:
    """A handler that takes everything."""

    def __init__(self) -> None:
        self.values: list[bytes] = []

    async def handle(self, records: Sequence[Record]) -> Effect:
        self.values += [record.value for record in records]
        return Effect()


class Scene:
    """A group that wants interactions, in a log that brings feedback every second."""

    def __init__(self) -> None:
        self.clock = SimulatedClock(NOW)
        self.log = ScriptedLog()
        self.store = ScriptedStore()
        self.handler = Taking()

    @asynccontextmanager
    async def consuming(self) -> AsyncIterator[None]:
        stop, topics = asyncio.Event(), [INTERACTION_COMPLETED]
        consumer = Consumer("p", topics, self.log, self.store, self.handler, LIMITS, self.clock)
        running = asyncio.create_task(consumer.run(stop))
        await turns()
        yield
        stop.set()
        await turns()
        await running

    async def pass_by(self, seconds: int) -> None:
        """Feedback comes, one each second."""
        for _ in range(seconds):
            self.bring(interesting=False)
            await pass_time(self.clock, 1)

    def bring(self, *, interesting: bool) -> None:
        topic = INTERACTION_COMPLETED if interesting else FEEDBACK_RECEIVED
        n = len(self.log.records) + 1
        self.log.records.append(a_record(a_fact(n, topic=topic), seq=1, offset=n))

    def stands_at(self) -> int:
        return max((at.next_offset for at in self.store.state.positions.values()), default=0)


async def test_what_is_passed_over_is_stored_now_and_then() -> None:
    scene = Scene()
    async with scene.consuming():
        await scene.pass_by(35)

    assert scene.store.tries == 3
    assert scene.stands_at() == 34


async def test_a_full_disk_ends_no_group_that_only_passes_by_and_is_said_once() -> None:
    scene = Scene()
    scene.store.refuses = FULL
    with capture_logs() as logs:
        async with scene.consuming():
            await scene.pass_by(60)
            tries, stood_at = scene.store.tries, scene.stands_at()
            scene.store.refuses = None
            await scene.pass_by(12)
            scene.bring(interesting=True)
            await pass_time(scene.clock, 1)

    assert [line["reason"] for line in logs if line["event"] == "consumer.not_stored"] == [
        FULL.message
    ]
    assert (tries, stood_at) == (5, 0)
    assert scene.stands_at() == 74
    assert scene.handler.values == [b"value 73"]


async def test_a_group_that_moved_while_it_passed_by_takes_over_what_is_stored() -> None:
    scene = Scene()
    async with scene.consuming():
        await scene.pass_by(9)
        scene.store.refuses = Moved("the group has changed")
        await scene.pass_by(3)
        scene.store.refuses = None
        scene.bring(interesting=True)
        await pass_time(scene.clock, 2)

    assert scene.handler.values == [b"value 13"]

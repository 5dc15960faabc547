"""The log's ports over a Faust app, held to the suite of the log's ports on a real broker."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from faust import Stream
from faust.types import TP, StreamT

from services.backbone.tables.group import Instance, TableGroup
from services.backbone.tables.member import STALLED, TableMember
from services.backbone.tables.streams import raw_table, raw_topic, stream_app
from services.local.broker import Broker
from shared.clock import SystemClock
from shared.errors import Unavailable
from shared.failpoints import NONE
from shared.log.consumer import Consumer, ConsumerLimits
from shared.log.kafka.relay import Forwarder
from shared.log.record import Effect, Handler, Record
from shared.topics import FEEDBACK_RECEIVED, INTERACTION_COMPLETED, USAGE_RATED, Topic
from tests.builders import a_fact, a_record, an_interaction_completed
from tests.contract.log_suite import LogSuite
from tests.kafka import GROUPS, RUN_SECONDS, KafkaHarness, a_cluster
from tests.logs import LIMITS
from tests.waiting import until

TOPICS = (INTERACTION_COMPLETED, FEEDBACK_RECEIVED, USAGE_RATED)


class TableHarness(KafkaHarness):
    """The same outboxes and relay, and groups that Faust hosts."""

    async def run(
        self,
        handler: Handler,
        stop: asyncio.Event,
        group: str = "g",
        topics: Sequence[Topic] = (INTERACTION_COMPLETED,),
        limits: ConsumerLimits = LIMITS,
    ) -> Consumer:
        await self.relay()
        instance = Instance("only", self._folder / "faust", limits.max_records)
        member = TableGroup(group, topics, self.cluster, instance, SystemClock(), NONE)
        consumer = Consumer(group, topics, member, member, handler, limits, SystemClock())
        async with asyncio.timeout(RUN_SECONDS):
            await member.start()
            await consumer.run(stop)
            await member.stop()
        return consumer


class TestTableLog:
    """What a group owes, of the suite: outboxes and relay are those of the Kafka log, and held there."""

    test_a_group_goes_on_where_it_stopped_and_gets_its_state_back = (
        LogSuite.test_a_group_goes_on_where_it_stopped_and_gets_its_state_back
    )
    test_a_batch_that_is_unavailable_is_tried_again_whole = (
        LogSuite.test_a_batch_that_is_unavailable_is_tried_again_whole
    )
    test_a_record_that_crashes_its_handler_is_found_and_buried_alone = (
        LogSuite.test_a_record_that_crashes_its_handler_is_found_and_buried_alone
    )
    test_a_crash_leaves_no_mark_on_the_state_that_later_records_find = (
        LogSuite.test_a_crash_leaves_no_mark_on_the_state_that_later_records_find
    )
    test_a_group_that_rejects_everything_stops_itself = (
        LogSuite.test_a_group_that_rejects_everything_stops_itself
    )
    test_effect_and_position_are_stored_together = (
        LogSuite.test_effect_and_position_are_stored_together
    )
    test_a_missing_record_is_reported_as_a_gap = LogSuite.test_a_missing_record_is_reported_as_a_gap

    @pytest.fixture
    async def log(self, tmp_path: Path, broker: Broker) -> KafkaHarness:
        return TableHarness(tmp_path, await a_cluster(broker, TOPICS, GROUPS, tabled=GROUPS))


async def test_what_was_fetched_and_thrown_away_comes_again_though_nothing_is_committed(
    tmp_path: Path, broker: Broker
) -> None:
    cluster = await a_cluster(broker, TOPICS, GROUPS, tabled=GROUPS)
    stored, new = (TP(cluster.topic(INTERACTION_COMPLETED.name), number) for number in (0, 1))
    fact = a_fact(an_interaction_completed())
    forwarder = Forwarder(cluster)
    await forwarder.handle(
        [
            a_record(fact, partition=place.partition, seq=n)
            for place in (stored, new)
            for n in (1, 2, 3)
        ]
    )
    app = stream_app("g", cluster, "only", tmp_path, {stored: 2}.get)
    app.agent(raw_topic(app, [stored.topic]), name="g-records")(_overhear)
    raw_table(app, "g-states", cluster.table_topic("g"), INTERACTION_COMPLETED.partitions)
    app.finalize()
    await app.start()
    await until(lambda: app.tables.actives_ready and not app.rebalancing, seconds=RUN_SECONDS)

    app.consumer.stop_flow()
    await app.consumer.seek_wait({stored: 3, new: 3})
    await app.consumer.perform_seek()

    assert await app.consumer.position(stored) == 2
    assert await app.consumer.position(new) == 0
    await app.stop()
    await forwarder.close()


class Stuck:
    """A handler that never gets what it needs."""

    async def handle(self, records: Sequence[Record]) -> Effect:
        raise Unavailable(f"nothing to handle {len(records)} records with")


async def test_a_member_that_gets_no_further_while_records_wait_ends_its_process(
    tmp_path: Path, broker: Broker
) -> None:
    log = TableHarness(tmp_path, await a_cluster(broker, TOPICS, GROUPS, tabled=GROUPS))
    codes: list[int] = []
    stop = asyncio.Event()
    member = TableMember(
        "g",
        [INTERACTION_COMPLETED],
        log.cluster,
        Stuck(),
        LIMITS,
        SystemClock(),
        Instance("only", tmp_path / "faust", LIMITS.max_records),
        stall_seconds=2,
        end=codes.append,
    )
    async with log.outbox() as outbox:
        await outbox.append([a_fact(an_interaction_completed())])
        await log.relay()

        running = asyncio.create_task(member.run(stop))
        await until(lambda: bool(codes), seconds=RUN_SECONDS)
        stop.set()
        await running

    assert codes == [STALLED]


async def _overhear(stream: StreamT[bytes]) -> None:
    assert isinstance(stream, Stream)
    async for _ in stream.noack_take(100, within=1):
        pass

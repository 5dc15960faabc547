"""The Kafka log while brokers die and freeze, members come and go, and topics are made anew."""

import asyncio
import gc
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiokafka.errors import KafkaError

from services.local.broker import Broker, a_broker
from shared.clock import SystemClock
from shared.errors import Unavailable
from shared.failpoints import Failpoints, Step
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.group import KafkaGroup
from shared.log.kafka.layout import layouts
from shared.log.kafka.seat import Seat
from shared.log.record import Effect, Fact, Moved, Position, Record
from shared.topics import INTERACTION_COMPLETED, USAGE_RATED
from tests.kafka import KafkaHarness, a_cluster, make, messages
from tests.kafka_member import Counting, run_member
from tests.logs import Collecting, Dying, Surviving, a_fact, gaps

PATIENCE_SECONDS = 120
FROZEN_SECONDS = 12  # longer than a session lasts
TENANTS = [f"tenant-{n}" for n in range(20)]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that nobody else counts on: it is killed, and has few partitions to look through afterwards."""
    with a_broker(tmp_path_factory.mktemp("broker") / "data") as running:
        yield running


@pytest.fixture
async def log(tmp_path: Path, broker: Broker) -> KafkaHarness:
    groups = ("g", "billing", "w")
    return KafkaHarness(
        tmp_path, await a_cluster(broker, (INTERACTION_COMPLETED, USAGE_RATED), groups)
    )


@asynccontextmanager
async def a_member(cluster: Cluster, handler: Counting) -> AsyncIterator[None]:
    """A running member of the group."""
    stop = asyncio.Event()
    task = asyncio.create_task(run_member(cluster, handler, stop))
    yield
    stop.set()
    await task


@asynccontextmanager
async def a_member_process(cluster: Cluster) -> AsyncIterator[asyncio.subprocess.Process]:
    """A running member of the group, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.kafka_member", cluster.servers, cluster.prefix),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    yield process
    process.send_signal(signal.SIGCONT)
    process.terminate()
    await process.wait()


async def until(cluster: Cluster, n: int) -> list[Record]:
    """The rated facts, once there are `n` of them; a broker that comes back may not answer at first."""
    rated: list[Record] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(rated) < n:
            with suppress(KafkaError):
                rated = await messages(cluster, USAGE_RATED)
            await asyncio.sleep(0.2)
    return rated


def assert_each_once(rated: Sequence[Record], n: int) -> None:
    """Every fact is there once, and every lane counts 1, 2, 3, ..."""
    assert Counter(r.event_id for r in rated) == Counter(a_fact(i).event_id for i in range(n))
    lanes: dict[str, list[int]] = {}
    for record in rated:
        lanes.setdefault(record.lane, []).append(record.seq)
    assert all(seqs == [*range(1, len(seqs) + 1)] for seqs in lanes.values())


@pytest.mark.parametrize("fault", ["killed", "frozen"])
async def test_a_broker_that_fails_in_mid_stream_costs_nothing(
    log: KafkaHarness, broker: Broker, fault: str
) -> None:
    before = gaps("billing")
    async with (
        log.outbox() as outbox,
        log.relaying(),
        a_member(log.cluster, Counting()),
    ):
        for n in range(1000):
            await outbox.append([a_fact(n, tenant=TENANTS[n % 20])])
        await until(log.cluster, 100)
        if fault == "killed":
            broker.kill()
        else:
            broker.freeze()
        for n in range(1000, 2000):
            await outbox.append([a_fact(n, tenant=TENANTS[n % 20])])
        if fault == "killed":
            await asyncio.to_thread(broker.start)
        else:
            await SystemClock().sleep(FROZEN_SECONDS)
            broker.thaw()

        rated = await until(log.cluster, 2000)

    assert_each_once(rated, 2000)
    assert gaps("billing") == before


async def test_members_that_come_and_go_lose_nothing_and_repeat_no_effect(
    log: KafkaHarness,
) -> None:
    before = gaps("billing")
    async with (
        log.outbox() as outbox,
        log.relaying(),
        a_member(log.cluster, Counting()),
    ):
        await outbox.append([a_fact(n, tenant=TENANTS[n % 20]) for n in range(500)])
        await until(log.cluster, 100)
        made = 500
        async with a_member(log.cluster, second := Counting()), asyncio.timeout(PATIENCE_SECONDS):
            while made < 1500 or not second.seen:
                await outbox.append([a_fact(made, tenant=TENANTS[made % 20])])
                made += 1
            await until(log.cluster, made)
        rest = range(made, made + 500)
        await outbox.append([a_fact(n, tenant=TENANTS[n % 20]) for n in rest])

        rated = await until(log.cluster, rest.stop)

    assert_each_once(rated, rest.stop)
    assert gaps("billing") == before


async def test_a_member_that_was_frozen_until_others_took_over_repeats_nothing(
    log: KafkaHarness,
) -> None:
    async with (
        log.outbox() as outbox,
        log.relaying(),
        a_member_process(log.cluster) as frozen,
    ):
        await outbox.append([a_fact(n, tenant=TENANTS[n % 20]) for n in range(1000)])
        await until(log.cluster, 100)
        frozen.send_signal(signal.SIGSTOP)
        await outbox.append([a_fact(n, tenant=TENANTS[n % 20]) for n in range(1000, 2000)])
        async with a_member(log.cluster, Counting()):
            await until(log.cluster, 2000)
            frozen.send_signal(signal.SIGCONT)
            for n in range(2000, 3000):
                await outbox.append([a_fact(n, tenant=TENANTS[n % 20])])

            rated = await until(log.cluster, 3000)

    assert_each_once(rated, 3000)


async def test_who_lost_a_seat_stores_nothing_any_more(log: KafkaHarness) -> None:
    fact = a_fact(1, topic=USAGE_RATED)
    old, new = Seat("g", 3, log.cluster), Seat("g", 3, log.cluster)
    await old.claim()
    await old.commit({"s": Position(1)}, Effect(facts=[fact], states={"a": b"1"}), 0)
    await new.claim()

    with pytest.raises(Moved):
        await old.commit({"s": Position(2)}, Effect(facts=[fact], states={"a": b"2"}), 0)
    await new.commit({"s": Position(5)}, Effect(), 0)

    assert len(await messages(log.cluster, USAGE_RATED)) == 1
    await old.close()
    await new.close()


async def test_the_next_holder_of_a_seat_finds_state_position_and_numbers(
    log: KafkaHarness,
) -> None:
    class Remembering(Collecting):
        async def handle(self, records: Sequence[Record]) -> Effect:
            effect = await super().handle(records)
            facts = [Fact(USAGE_RATED, r.key, r.event_id, b"rated") for r in records]
            return Effect(facts=facts, states=effect.states)

    first, second = Remembering(done=3), Remembering(done=2)
    async with log.outbox() as outbox:
        await outbox.append([a_fact(n) for n in range(3)])
        await log.run(first, first.stop)
        await outbox.append([a_fact(n) for n in range(3, 5)])

        await log.run(second, second.stop)

    assert second.restored == {"count": b"3"}
    assert_each_once(await messages(log.cluster, USAGE_RATED), 5)


async def test_a_begun_batch_of_each_partition_comes_again_as_it_was(log: KafkaHarness) -> None:
    one, other, surviving = Dying(done=3), Dying(done=3), Surviving(done=8)
    async with log.outbox() as outbox:
        await outbox.append([a_fact(n, tenant="acme") for n in range(3)])
        await log.run(one, one.stop, "w")
        await outbox.append([a_fact(n, tenant="acme") for n in range(3, 6)])
        await outbox.append([a_fact(n, tenant="bank") for n in range(6, 8)])
        await log.run(other, other.stop, "w")

        await log.run(surviving, surviving.stop, "w")

    assert one.batches[0] == other.batches[0] == surviving.batches[0]
    assert sorted(r.event_id for r in surviving.records) == [a_fact(n).event_id for n in range(8)]


async def test_what_is_no_fact_is_buried_with_its_bytes_and_its_neighbours_pass(
    log: KafkaHarness,
) -> None:
    handler = Collecting(done=2)
    producer = log.cluster.producer(None)
    async with log.outbox() as outbox:
        await outbox.append([a_fact(1)])
        await log.relay()
        await producer.start()
        topic = log.cluster.topic(INTERACTION_COMPLETED.name)
        partition = INTERACTION_COMPLETED.partition("acme")
        await producer.send_and_wait(topic, b"\x00stray", partition=partition)
        await producer.stop()
        await outbox.append([a_fact(2)])

        await log.run(handler, handler.stop)
        dead = await log.dead(INTERACTION_COMPLETED)

    assert [r.value for r in handler.records] == [b"value 1", b"value 2"]
    assert [d.value for d in dead] == [b"\x00stray"]
    assert "producer" in dead[0].headers["reason"]


async def test_a_topic_made_anew_is_read_from_its_start_and_what_it_lost_is_reported(
    log: KafkaHarness,
) -> None:
    first, second = Collecting(done=2), Collecting(done=1)
    topic = log.cluster.topic(INTERACTION_COMPLETED.name)
    async with log.outbox() as outbox:
        await outbox.append([a_fact(1), a_fact(2)])
        await log.run(first, first.stop)
        await outbox.append([a_fact(3)])
        await log.relay()
        admin = log.cluster.admin()
        await admin.start()
        await admin.delete_topics([topic])
        while topic in await admin.list_topics():
            await asyncio.sleep(0.05)
        await admin.close()
        await make(log.cluster, layouts(log.cluster, [INTERACTION_COMPLETED]))
        await outbox.append([a_fact(4)])
        before = gaps("g")

        await log.run(second, second.stop)

    assert [r.value for r in second.records] == [b"value 4"]
    assert gaps("g") - before == 1


async def test_a_member_of_several_topics_leaves_nothing_open(log: KafkaHarness) -> None:
    handler = Collecting(done=2)
    async with log.outbox() as outbox:
        await outbox.append([a_fact(1), a_fact(2, topic=USAGE_RATED)])

        await log.run(handler, handler.stop, "g", [INTERACTION_COMPLETED, USAGE_RATED])

    gc.collect()  # what was left open warns, and a warning is an error
    assert sorted(r.value for r in handler.records) == [b"value 1", b"value 2"]


async def test_a_member_whose_partitions_were_taken_can_still_be_asked_what_waits(
    log: KafkaHarness,
) -> None:
    topics, clock = [INTERACTION_COMPLETED], SystemClock()
    async with KafkaGroup("g", topics, log.cluster, clock) as one:
        await one.load("g")
        async with KafkaGroup("g", topics, log.cluster, clock) as two:
            await two.load("g")

            assert await one.waiting({}) == 0


async def test_offsets_that_a_frozen_broker_does_not_take_are_not_waited_for(
    log: KafkaHarness, broker: Broker
) -> None:
    class Freezing(Failpoints):
        def reach(self, group: str, step: Step) -> None:
            if step is Step.STORED:
                broker.freeze()

    topics, clock = [INTERACTION_COMPLETED], SystemClock()
    async with (
        log.outbox() as outbox,
        KafkaGroup("w", topics, log.cluster, clock, Freezing(), offsets_seconds=0.2) as member,
    ):
        await outbox.append([a_fact(1)])
        await log.relay()
        await member.load("w")
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (ranges := (await member.poll([], {}, 10))[1]):
                await asyncio.sleep(0.02)
        positions = {source: Position(end) for source, (_, end) in ranges.items()}

        await member.commit("w", positions, Effect())
        with pytest.raises(Unavailable, match="took no intent"):
            await member.intend("w", ranges)
        broker.thaw()

        assert (await member.load("w")).positions == positions

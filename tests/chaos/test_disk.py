"""The disk is full: for the process that accepts, and for the store. Nothing is accepted that is not stored."""

import asyncio
import resource
import sqlite3
from contextlib import AsyncExitStack, closing
from functools import partial
from pathlib import Path

import pytest

from services.warehouse.store import GROUP
from shared.clickhouse import ClickHouse
from shared.clock import SystemClock
from shared.ids import new_id
from shared.lifecycle import ClickHouseAddress
from shared.log.consumer import Consumer, ConsumerLimits
from shared.log.folder import FolderLog
from shared.log.outbox import SqliteOutbox
from shared.log.record import Fact
from shared.metrics import CONSUMER_RETRIES
from shared.topics import INTERACTION_COMPLETED
from tests.chaos.house import House, a_call, a_house, an_item
from tests.chaos.ledger import copies, stored
from tests.chaos.limits import limited
from tests.chaos.line import a_store, free_port
from tests.chaos.report import Trial
from tests.stores import OPERATOR, PASSWORD, a_sink, an_interaction
from tests.waiting import until

KB = 1024
OUTAGES, ITEMS, RETRIES = 5, 20, 3
LIMITS = ConsumerLimits(max_age_seconds=0.02, first_retry_seconds=0.02, last_retry_seconds=0.1)


@pytest.mark.fault(12)
@pytest.mark.chaos
async def test_a_full_disk_closes_the_doors_and_they_open_when_there_is_room(
    trial: Trial, tmp_path: Path
) -> None:
    async with a_house(tmp_path, trial) as house:
        for _ in range(OUTAGES):
            await _send(house, ITEMS)
            trial.inject("disk full for the edge")
            used = (house.log_folder / "edge-0.db-wal").stat().st_size
            room = used + trial.random.randrange(256 * KB)
            with limited(house.pid("edge-0"), resource.RLIMIT_FSIZE, room):
                refused = await _send_until_refused(house)
            with trial.recovery():
                answer = await house.insist("/v1/chat/completions", a_call())
            trial.ledger.accept([answer.interaction_id])
            assert refused == 503
        await stored(house.client, len(trial.ledger.accepted))
        trial.judge(await copies(house.client))
        assert await house.books_add_up()
    with closing(sqlite3.connect(house.log_folder / "edge-0.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.fault(13)
@pytest.mark.chaos
async def test_a_store_whose_disk_is_full_is_waited_for_and_no_fact_is_blamed(
    trial: Trial, tmp_path: Path
) -> None:
    port, clock, stop = free_port(), SystemClock(), asyncio.Event()
    address = ClickHouseAddress(f"http://127.0.0.1:{port}", OPERATOR, PASSWORD)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(a_store(tmp_path, port))
        client = await stack.enter_async_context(ClickHouse(address))
        outbox = await stack.enter_async_context(SqliteOutbox(tmp_path / "log" / "e.db", clock))
        source, topics = FolderLog(tmp_path / "log"), [INTERACTION_COMPLETED]
        consumer = Consumer(GROUP, topics, source, outbox, a_sink(client), LIMITS, clock)
        running = asyncio.create_task(consumer.run(stop))
        for outage in range(OUTAGES):
            await _accept(outbox, trial, 2 * outage)
            await stored(client, len(trial.ledger.accepted))
            await until(lambda: consumer.idle)
            before = (await outbox.load(GROUP)).positions
            trial.inject("disk full for the store")
            with limited(store.pid, resource.RLIMIT_FSIZE, trial.random.choice((0, KB, 4 * KB))):
                enough = _retries() + RETRIES
                await _accept(outbox, trial, 2 * outage + 1)
                await until(partial(_tried, enough), seconds=60)
                assert (await outbox.load(GROUP)).positions == before
            with trial.recovery():
                await stored(client, len(trial.ledger.accepted))
        stop.set()
        await running
        letters = FolderLog(tmp_path / "log").readers()[0].dead_letters()
        trial.judge(await copies(client))

    assert letters == []


def _retries() -> float:
    return float(CONSUMER_RETRIES.labels(GROUP)._value.get())


def _tried(times: float) -> bool:
    return _retries() >= times


async def _accept(outbox: SqliteOutbox, trial: Trial, batch: int) -> None:
    """Facts of some kilobytes each, which do not shrink."""
    sent = []
    for number in range(batch * ITEMS, (batch + 1) * ITEMS):
        vector = [trial.random.random() for _ in range(2_000)]
        message = an_interaction(number, embedding=vector)
        value = message.SerializeToString()
        sent.append(Fact(INTERACTION_COMPLETED, "acme", message.interaction_id, value))
    await outbox.append(sent)
    trial.ledger.accept(fact.event_id for fact in sent)


async def _send(house: House, count: int) -> None:
    items = [an_item(new_id(), "w" * 2_000) for _ in range(count)]
    answer = await house.post("/v1/interactions", {"interactions": items})
    assert answer.status == 200
    house.trial.ledger.accept(result["id"] for result in answer.body["results"])


async def _send_until_refused(house: House) -> int:
    """Calls of both doors until one is not taken; the status of that."""
    while True:
        item = an_item(new_id(), "w" * 2_000)
        for path, body in (
            ("/v1/interactions", {"interactions": [item]}),
            ("/v1/chat/completions", a_call("w" * 2_000)),
        ):
            answer = await house.post(path, body)
            if answer.status != 200:
                return answer.status
            taken = answer.interaction_id or str(item["id"])
            house.trial.ledger.accept([taken])

"""The store is down, slow, half-open, and loses its replies: sinks wait and try again, and nothing is there twice."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.local.broker import Broker
from tests.chaos.line import Line, a_line
from tests.chaos.report import Trial
from tests.waiting import until

DOWN_SECONDS = 10.0  # longer than a session lasts
SLOW_SECONDS, SLOW_INSERTS = 5.0, 3
SINK_TIMEOUT = 4  # seconds; the sink's own is 30, and a half-open connection costs that
LOST_REPLIES = 6
MEMORY_GROWTH_BYTES = 64 * 1024 * 1024
SLOWEST_P99_SECONDS = 0.25
INSERT = b"INSERT"


@pytest.mark.chaos
@pytest.mark.fault(8)
async def test_a_store_that_is_down_is_waited_for_without_leaving_the_group(
    trial: Trial, broker: Broker, tmp_path: Path
) -> None:
    async with a_line(tmp_path, broker, trial) as line, line.a_sink() as sink:
        async with line.traffic():
            async with line.a_store() as store:
                await line.stored(line.calls + 1)
                await asyncio.sleep(trial.random.uniform(0.01, 0.5))
                await store.kill()
                trial.kill("store")
            await asyncio.sleep(DOWN_SECONDS)
            async with line.a_store():
                with trial.recovery():
                    await line.stored(line.calls + 1)
        async with line.a_store():
            await line.drain()
        assert len(sink.told("group.took")) == 1


@pytest.mark.chaos
@pytest.mark.fault(9)
async def test_a_slow_store_costs_neither_memory_nor_the_doors(
    trial: Trial, broker: Broker, tmp_path: Path
) -> None:
    async with a_line(tmp_path, broker, trial) as line, line.a_store(), line.a_sink() as sink:
        async with line.traffic():
            await line.stored(line.calls + 1)
            before = sink.resident_bytes()
            line.proxy.reply_delay_seconds = SLOW_SECONDS
            trial.inject(f"store slow by {SLOW_SECONDS:.0f} s")
            await asyncio.sleep(SLOW_SECONDS * SLOW_INSERTS)
            assert sink.resident_bytes() - before < MEMORY_GROWTH_BYTES
            line.proxy.reply_delay_seconds = 0
            await asyncio.sleep(SLOW_SECONDS)  # until the last slow reply is through
            with trial.recovery():
                await line.stored(line.calls + 1)
        await line.drain()
    assert _p99(line.accepted_in) < SLOWEST_P99_SECONDS


@pytest.mark.chaos
@pytest.mark.fault(10)
async def test_an_insert_whose_reply_is_lost_is_repeated_and_stored_once(
    trial: Trial, broker: Broker, tmp_path: Path
) -> None:
    async with a_line(tmp_path, broker, trial) as line, line.a_store(), line.a_sink():
        async with line.traffic():
            await line.stored(line.calls + 1)
            line.proxy.lose_replies(LOST_REPLIES, to=INSERT)
            with trial.recovery():
                await until(lambda: line.proxy.lost_replies == LOST_REPLIES, seconds=60)
                await line.stored(line.calls + 1)
            trial.inject("reply lost", LOST_REPLIES)
        await line.drain()


@pytest.mark.chaos
@pytest.mark.fault(11)
async def test_a_connection_that_died_in_silence_is_given_up_at_its_deadline(
    trial: Trial, broker: Broker, tmp_path: Path
) -> None:
    async with _half_open(trial, broker, tmp_path) as line:
        line.proxy.strand()
        trial.inject("connections stranded")
        with trial.recovery():
            await line.stored(line.calls + 1)


@pytest.mark.chaos
@pytest.mark.fault(11)
async def test_replies_that_trickle_are_waited_for_no_longer_than_the_deadline(
    trial: Trial, broker: Broker, tmp_path: Path
) -> None:
    async with _half_open(trial, broker, tmp_path) as line:
        line.proxy.trickle_bytes = 1
        trial.inject("bytes trickled")
        await asyncio.sleep(3 * SINK_TIMEOUT)
        line.proxy.trickle_bytes = 0
        line.proxy.cut()
        with trial.recovery():
            await line.stored(line.calls + 1)


@asynccontextmanager
async def _half_open(trial: Trial, broker: Broker, folder: Path) -> AsyncIterator[Line]:
    """A line with a sink whose deadline is short, and traffic; what was accepted is judged at its end."""
    async with (
        a_line(folder, broker, trial) as line,
        line.a_store(),
        line.a_sink(timeout=SINK_TIMEOUT),
    ):
        async with line.traffic():
            await line.stored(line.calls + 1)
            yield line
        await line.drain()


def _p99(seconds: Sequence[float]) -> float:
    return sorted(seconds)[int(0.99 * len(seconds))]

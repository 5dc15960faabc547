"""A sink is frozen until another has taken over, and wakes: nothing that it still does counts twice."""

import asyncio
from pathlib import Path

import pytest

from services.local.broker import Broker
from tests.chaos.line import a_line
from tests.chaos.proxy import a_proxy
from tests.chaos.report import Trial
from tests.waiting import until

ZOMBIES = 1
AWAKE_SECONDS = 3.0


@pytest.mark.chaos
@pytest.mark.fault(3)
async def test_a_sink_that_wakes_after_another_took_over_repeats_nothing(
    trial: Trial, broker: Broker, tmp_path: Path
) -> None:
    async with a_line(tmp_path, broker, trial) as line, line.a_store():
        for _ in range(ZOMBIES):
            async with line.traffic(), line.a_sink() as zombie:
                await line.stored(line.calls + 1)
                await asyncio.sleep(trial.random.uniform(0.01, 0.5))
                zombie.freeze()
                trial.inject("sink frozen")
                async with line.a_sink():
                    with trial.recovery():
                        await line.stored(line.calls + 1)
                    zombie.thaw()
                    await asyncio.sleep(AWAKE_SECONDS)
                    await line.stored(line.calls + 1)
        async with line.a_sink():
            await line.drain()


@pytest.mark.chaos
@pytest.mark.fault(3)
async def test_an_insert_that_arrives_after_another_sink_repeated_it_is_dropped(
    trial: Trial, broker: Broker, tmp_path: Path
) -> None:
    async with a_line(tmp_path, broker, trial) as line, line.a_store():
        async with (
            line.traffic(),
            a_proxy(line.proxy.target_port) as way,
            line.a_sink(proxy=way) as zombie,
        ):
            await line.stored(line.calls + 1)
            way.hold()
            await until(lambda: way.held > 0)
            zombie.freeze()
            trial.inject("insert held, sink frozen")
            async with line.a_sink():
                with trial.recovery():
                    await line.stored(line.calls + 1)
                way.release()
                zombie.thaw()
                await asyncio.sleep(AWAKE_SECONDS)
                await line.stored(line.calls + 1)
        async with line.a_sink():
            await line.drain()

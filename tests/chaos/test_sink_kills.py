"""The sink is killed in mid-stream, at random moments: what was accepted is stored once, and soon."""

import asyncio
from pathlib import Path

import pytest

from services.local.broker import Broker
from tests.chaos.line import a_line
from tests.chaos.report import Trial

KILLS = 4


@pytest.mark.chaos
@pytest.mark.fault(1)
async def test_a_sink_killed_at_random_moments_costs_nothing(
    trial: Trial, broker: Broker, tmp_path: Path
) -> None:
    async with a_line(tmp_path, broker, trial) as line, line.a_store():
        async with line.traffic():
            for _ in range(KILLS):
                async with line.a_sink() as sink:
                    with trial.recovery():
                        await line.stored(line.calls + 1)
                    await asyncio.sleep(trial.random.uniform(0.01, 0.5))
                    await sink.kill()
                    trial.kill("sink")
        async with line.a_sink():
            with trial.recovery():
                await line.drain()

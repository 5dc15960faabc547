"""Sinks come and go without a pause: work goes on meanwhile, and nothing is lost or stored twice."""

import asyncio
from pathlib import Path

import pytest

from services.local.broker import Broker
from tests.chaos.line import a_line
from tests.chaos.report import Trial

COMINGS = 5
LONGEST_LIFE_SECONDS = 3.0


@pytest.mark.chaos
@pytest.mark.fault(4)
async def test_a_storm_of_rebalances_stops_nothing(
    trial: Trial, broker: Broker, tmp_path: Path
) -> None:
    async with a_line(tmp_path, broker, trial) as line, line.a_store(), line.a_sink() as steady:
        async with line.traffic():
            await line.stored(line.calls + 1)
            for _ in range(COMINGS):
                async with line.a_sink() as sink:
                    trial.inject("sink joined")
                    await asyncio.sleep(trial.random.uniform(0.0, LONGEST_LIFE_SECONDS))
                    await sink.stop()
                    trial.inject("sink left")
                with trial.recovery():
                    await line.stored(line.calls + 1)
        await line.drain()
        assert not steady.ended
        assert not [line for line in steady.errors() if "Unclosed" in line["event"]]

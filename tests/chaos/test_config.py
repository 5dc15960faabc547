"""The configuration is replaced while everything runs, and half of it is written: nobody runs on half a file."""

import asyncio
from pathlib import Path

import pytest

from tests.chaos.ledger import copies, stored
from tests.chaos.report import Trial
from tests.chaos.upstreams import Callers, callers

CALLS, HALVES = 5, 3


@pytest.mark.fault(34)
@pytest.mark.chaos
async def test_half_a_configuration_is_never_run_on_and_a_killed_edge_comes_back_all_the_same(
    trial: Trial, tmp_path: Path
) -> None:
    config = tmp_path / "leeway.yaml"
    async with callers(tmp_path, trial) as clients:
        whole = await asyncio.to_thread(config.read_bytes)
        await _call(clients)
        for _ in range(HALVES):
            trial.inject("half of leeway.yaml written")
            half = whole[: trial.random.randrange(1, len(whole) - 1)]
            await asyncio.to_thread(config.write_bytes, half)
            await _call(clients)
            await clients.house.end("edge-0")
            await _call(clients)
        await stored(clients.house.client, len(trial.ledger.accepted))
        trial.judge(await copies(clients.house.client))


async def _call(clients: Callers) -> None:
    await clients.call([({}, False)] * CALLS)
    answers = list(clients.answers.values())[-CALLS:]
    assert [answer.status for answer in answers] == [200] * CALLS
    clients.house.trial.ledger.accept(answer.interaction_id for answer in answers)

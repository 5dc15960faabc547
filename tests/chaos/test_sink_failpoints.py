"""The sink is killed between any two of its steps: in a cluster, and where the log is a folder."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from services.local.broker import Broker
from services.warehouse.store import GROUP
from shared.clickhouse import ClickHouse
from shared.clock import SystemClock
from shared.failpoints import KILLED, Step
from shared.lifecycle import ClickHouseAddress
from shared.log.outbox import SqliteOutbox
from tests.chaos.door import call
from tests.chaos.ledger import copies, stored
from tests.chaos.line import SINK, a_line, a_store, free_port
from tests.chaos.processes import a_child
from tests.chaos.report import Trial
from tests.stores import OPERATOR, PASSWORD

CALLS = 200
MOST_PASSES = 4

# A block of each of two tables is inserted for a batch, so some passes of INSERTED lie between the two.
SINK_STEPS = tuple(step for step in Step if step is not Step.SENT)
FOLDER_STEPS = (Step.READ, Step.INTENDED, Step.INSERTED, Step.HANDLED, Step.TOLD)


@pytest.mark.chaos
@pytest.mark.fault(2)
async def test_a_sink_killed_between_any_two_steps_costs_nothing(
    trial: Trial, broker: Broker, tmp_path: Path
) -> None:
    async with a_line(tmp_path, broker, trial) as line, line.a_store():
        for step in trial.random.sample(SINK_STEPS, len(SINK_STEPS)):
            passes = trial.random.randint(1, MOST_PASSES)
            await line.accept(CALLS)
            with trial.recovery() if trial.faults else nullcontext():
                async with line.a_sink(fail_at=f"{GROUP}.{step}:{passes}") as sink:
                    assert await sink.end() == KILLED
            trial.inject(f"killed at {step}:{passes}")
        await line.accept(CALLS)
        async with line.a_sink():
            with trial.recovery():
                await line.drain()


@pytest.mark.fault(2)
async def test_a_sink_of_a_folder_killed_between_any_two_steps_costs_nothing(
    trial: Trial, tmp_path: Path
) -> None:
    port = free_port()
    address = ClickHouseAddress(f"http://127.0.0.1:{port}", OPERATOR, PASSWORD)
    folder, log = tmp_path / "log", tmp_path / "sink.log"
    sink = (log, SINK, address.url, "--log", log, "--folder", folder)
    async with (
        a_store(tmp_path, port),
        ClickHouse(address) as client,
        SqliteOutbox(folder / "edge-0.db", SystemClock()) as outbox,
    ):
        for step in FOLDER_STEPS:
            for number in range(len(trial.ledger.accepted), len(trial.ledger.accepted) + CALLS):
                [interaction, usage] = call(number)
                await outbox.append([interaction, usage])
                trial.ledger.accept([interaction.event_id])
            async with a_child(*sink, "--fail-at", f"{GROUP}.{step}") as child:
                assert await child.end() == KILLED
                trial.inject(f"killed at {step}")
        async with a_child(*sink):
            with trial.recovery():
                await stored(client, len(trial.ledger.accepted))
            await stored(client, len(trial.ledger.accepted), table="usage", column="usage_id")
        assert set((await copies(client, "usage", "usage_id")).values()) == {1}
        trial.judge(await copies(client))

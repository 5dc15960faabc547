"""The state of one machine: what its files keep over a restart, and what happens without room for them."""

import os
import resource
from pathlib import Path

import pytest

from services.serving.state.gcra import UNITS
from services.serving.state.local import LocalState
from services.serving.state.memory import MemoryState
from services.serving.state.opening import state_at
from services.serving.state.port import Draw, Place
from services.serving.state.table import METERS, SharedTable
from services.serving.state.valkey import ValkeyState
from shared.clock import SimulatedClock
from shared.errors import Unavailable
from tests.builders import NOW


async def test_meters_and_values_outlive_their_workers(tmp_path: Path) -> None:
    clock = SimulatedClock(NOW)
    async with LocalState(tmp_path, clock) as state:
        await state.take([Draw("m", 7, 10)], [])
        await state.put("v", b"1", 60)

    async with LocalState(tmp_path, clock) as state:
        refused = await state.take([Draw("m", 4, 10)], [])

        assert not refused.admitted
        assert refused.fills == [7 * UNITS]
        assert await state.get("v") == b"1"


async def test_after_a_restart_of_the_machine_its_clock_begins_anew_and_meters_drain(
    tmp_path: Path,
) -> None:
    before = SimulatedClock(NOW)
    before.advance(1_000_000)
    async with LocalState(tmp_path, before) as state:
        await state.take([Draw("m", 10, 10)], [Place("p", 1)])

    after = SimulatedClock(NOW)
    async with LocalState(tmp_path, after) as state:
        assert not (await state.take([Draw("m", 1, 10)], [])).admitted
        assert (await state.take([], [Place("p", 1)])).admitted
        await state.give([], ["p"])
        await state.take([Draw("m", 0, 10)], [])
        after.advance(60)

        assert (await state.take([Draw("m", 10, 10)], [])).admitted


async def test_a_meter_that_has_run_empty_makes_room_for_another(tmp_path: Path) -> None:
    clock = SimulatedClock(NOW)
    table = SharedTable(tmp_path / "meters", clock)
    for number in range(METERS // 2):
        await table.take([Draw(f"m/{number}", 1, 600_000)], [])
    clock.advance(1)

    others = [Draw(f"n/{n}", 1, 600_000) for n in range(METERS // 2)]
    drawn = [await table.take([draw], []) for draw in others]
    again = await table.take([Draw("n/0", 600_000, 600_000)], [])
    table.close()

    assert all(each.admitted and each.fills == [UNITS] for each in drawn)
    assert not again.admitted


async def test_its_files_are_for_its_owner_alone(tmp_path: Path) -> None:
    os.umask(0o077)
    async with LocalState(tmp_path / "serving", SimulatedClock(NOW)):
        modes = {path.stat().st_mode & 0o077 for path in (tmp_path / "serving").iterdir()}

    assert modes == {0}


async def test_without_room_for_the_table_the_start_is_refused_in_a_sentence(
    tmp_path: Path,
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(Unavailable, match="cannot be kept in"):
            await LocalState(tmp_path, SimulatedClock(NOW)).__aenter__()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_the_url_says_whose_state_it_is(tmp_path: Path) -> None:
    kinds = {
        url: type(state_at(url, tmp_path, SimulatedClock(NOW), 1.0))
        for url in ("", "memory:", "redis://127.0.0.1:1/0")
    }

    assert kinds == {"": LocalState, "memory:": MemoryState, "redis://127.0.0.1:1/0": ValkeyState}

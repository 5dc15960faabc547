"""Claims of the sealed tables: a group goes on from what it stored or not at all, and old files get their sums."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.errors import Unavailable
from shared.log.accounting import log_side
from shared.log.folder import FolderLog
from shared.log.gauges import OutboxGauges
from shared.log.inspection import inspect
from shared.log.outbox import SqliteOutbox
from shared.log.reader import OutboxReader
from shared.log.record import Effect, OpenCall, Position
from shared.log.sealed import SEALED
from shared.log.trim import Trimmer
from shared.metrics import OUTBOX_DAMAGED
from tests.embedded import EmbeddedHarness, an_outbox
from tests.logs import Collecting, a_fact
from tests.waiting import until

AT = datetime(2026, 1, 1, tzinfo=UTC)
FURTHER = "UPDATE positions SET next_offset = next_offset + 64 WHERE grp = 'billing'"
BILLING = {"edge-0/e": Position(7, {"edge-0/e/usage.rated.v1/3": 6})}


async def a_core(folder: Path) -> None:
    """An outbox in which two groups have stored something, and two calls are open."""
    async with an_outbox(folder, "core") as core:
        await core.append([a_fact(1)])
        await core.commit("billing", BILLING, Effect(states={"budget": b"12"}))
        await core.commit("drift", {"edge-0/e": Position(3)}, Effect())
        await core.intend("warehouse", {"edge-0/e": (1, 5)})
        for name in ("a", "b"):
            await core.open(OpenCall(name, AT, b"call %s" % name.encode()))


def change(folder: Path, *statements: str) -> None:
    """Do to the outbox what a disk might."""
    with closing(sqlite3.connect(folder / "core.db", isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


def files(folder: Path) -> dict[Path, bytes]:
    return {one: one.read_bytes() for one in folder.glob("edge-0.db*")}


@pytest.mark.parametrize(
    "damage",
    [
        FURTHER,
        "UPDATE positions SET seqs = replace(seqs, '6', '7') WHERE grp = 'billing'",
        "UPDATE positions SET source = 'edge-1/e' WHERE grp = 'billing'",
        "UPDATE positions SET sum = NULL WHERE grp = 'billing'",
        "UPDATE states SET value = x'00' WHERE grp = 'billing'",
        "UPDATE states SET name = 'budgat' WHERE grp = 'billing'",
    ],
)
async def test_a_group_whose_step_is_damaged_waits_and_the_others_go_on(
    tmp_path: Path, damage: str
) -> None:
    await a_core(tmp_path)
    change(tmp_path, damage)

    async with an_outbox(tmp_path, "core") as core:
        with pytest.raises(Unavailable, match="Where billing stands is not known"):
            await core.load("billing")
        assert (await core.load("drift")).positions == {"edge-0/e": Position(3)}
        assert (await core.load("warehouse")).intent == {"edge-0/e": (1, 5)}
    assert OUTBOX_DAMAGED.labels("core")._value.get() == 1


@pytest.mark.parametrize("table", ["positions", "states"])
async def test_a_row_that_names_nobody_any_more_holds_every_group(
    tmp_path: Path, table: str
) -> None:
    await a_core(tmp_path)
    change(tmp_path, f"UPDATE {table} SET grp = 'billinf' WHERE grp = 'billing'")

    async with an_outbox(tmp_path, "core") as core:
        for group in ("billing", "drift", "warehouse"):
            with pytest.raises(Unavailable):
                await core.load(group)


async def test_a_damaged_intent_holds_its_group(tmp_path: Path) -> None:
    await a_core(tmp_path)
    change(tmp_path, "UPDATE intents SET ranges = replace(ranges, '5', '4')")

    async with an_outbox(tmp_path, "core") as core:
        with pytest.raises(Unavailable, match="warehouse"):
            await core.load("warehouse")


async def test_a_consumer_handles_nothing_while_its_position_is_damaged(tmp_path: Path) -> None:
    await a_core(tmp_path)
    change(tmp_path, FURTHER)
    OUTBOX_DAMAGED.labels("core").set(0)
    log, group = EmbeddedHarness(tmp_path), Collecting(done=1)

    async with log.outbox("core"):
        running = asyncio.create_task(log.run(group, group.stop, group="billing"))
        await until(lambda: OUTBOX_DAMAGED.labels("core")._value.get() == 1)
        group.stop.set()
        await running

    assert group.batches == []


async def test_nothing_is_trimmed_while_it_is_not_known_who_has_passed_it(tmp_path: Path) -> None:
    await a_core(tmp_path)
    change(tmp_path, FURTHER)
    async with SqliteOutbox(tmp_path / "core.db", SystemClock()) as core:
        everything = {"retention": timedelta(0), "remember": timedelta(0)}
        trimmer = Trimmer("core", core, FolderLog(tmp_path), [], SystemClock(), **everything)

        assert await trimmer.trim() == 0


async def test_a_damaged_position_is_told_by_the_doctor_and_in_no_figure(tmp_path: Path) -> None:
    await a_core(tmp_path)
    change(tmp_path, FURTHER)

    OutboxGauges("core", tmp_path, ["billing"], SystemClock()).measure()
    with pytest.raises(Unavailable, match="The books cannot be made: positions is damaged"):
        log_side(tmp_path)
    assert [one.damage for one in inspect(tmp_path, ["billing"])] == [
        "positions is damaged: a row is not what its checksum says"
    ]


async def test_an_open_call_that_is_damaged_says_so_and_the_others_are_as_they_were(
    tmp_path: Path,
) -> None:
    await a_core(tmp_path)
    change(tmp_path, "UPDATE open_calls SET value = x'00' WHERE call_id = 'a'")

    async with an_outbox(tmp_path, "core") as core:
        damaged, sound = core.orphans()

    assert (damaged.call_id, damaged.value, bool(damaged.damage)) == ("a", b"\x00", True)
    assert sound == OpenCall("b", AT, b"call b")


async def test_lanes_that_are_damaged_count_from_one_in_a_new_epoch(tmp_path: Path) -> None:
    await a_core(tmp_path)
    change(tmp_path, "UPDATE lanes SET seq = 0")

    async with an_outbox(tmp_path, "core") as core:
        await core.append([a_fact(2)])

    found, _ = OutboxReader(tmp_path / "core.db").read(["interaction.completed.v1"], 0, 10)
    assert [(one.offset, one.seq, one.damage) for one in found] == [(1, 1, ""), (2, 1, "")]
    assert found[0].lane != found[1].lane


async def test_a_file_of_an_earlier_version_is_believed_and_sealed_from_then_on(
    tmp_path: Path,
) -> None:
    await a_core(tmp_path)
    drops = [f"ALTER TABLE {table.name} DROP COLUMN sum" for table in SEALED]
    change(tmp_path, *drops, "DROP TABLE epochs")
    unsealed = OutboxReader(tmp_path / "core.db").steps("billing")

    async with an_outbox(tmp_path, "core") as core:
        state = await core.load("billing")
        calls = core.orphans()
    change(tmp_path, FURTHER)

    assert unsealed == state.positions == BILLING
    assert state.states == {"budget": b"12"}
    assert [call.value for call in calls] == [b"call a", b"call b"]
    async with an_outbox(tmp_path, "core") as core:
        with pytest.raises(Unavailable):
            await core.load("billing")


async def test_of_lanes_of_former_epochs_a_position_keeps_the_last(tmp_path: Path) -> None:
    seqs = {"edge-0/b/t/1": 9, "edge-0/a/t/1": 4, "edge-0/b/t/2": 3, "core/b/t/1": 1}
    async with an_outbox(tmp_path, "core") as core:
        await core.commit("billing", {"edge-0/b": Position(20, seqs)}, Effect())

        position = (await core.load("billing")).positions["edge-0/b"]

    assert position.seqs == {"edge-0/a/t/1": 4, "edge-0/b/t/2": 3, "core/b/t/1": 1}


async def test_what_is_forwarded_is_numbered_anew_after_a_life_that_did_not_end_in_order(
    tmp_path: Path,
) -> None:
    async def live(*, killed: bool = False, forwarded: bool = True) -> None:
        path = tmp_path / "edge-0.db"
        async with SqliteOutbox(path, SystemClock(), forwarded=forwarded) as outbox:
            await outbox.append([a_fact(next(ids))])
            whole = files(tmp_path)
        if killed:
            for one, content in whole.items():
                one.write_bytes(content)

    ids = iter(range(10))
    await live()
    await live(killed=True)
    await live(killed=True)
    await live()
    await live(killed=True, forwarded=False)
    await live(forwarded=False)

    found, _ = OutboxReader(tmp_path / "edge-0.db").read(["interaction.completed.v1"], 0, 10)
    assert [one.seq for one in found] == [1, 2, 1, 1, 2, 3]
    assert len({one.lane for one in found}) == 3
    assert len({one.source for one in found}) == 1

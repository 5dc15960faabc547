"""An upgrade finds old messages: the corpus of v1, in a file as the first version wrote it, through everything."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from services.warehouse.store import FACT_TABLES
from shared.clock import SystemClock
from shared.ids import new_id
from shared.log.folder import FolderLog
from shared.log.outbox import SqliteOutbox
from shared.log.record import Fact
from shared.topics import ALL, REGISTRY_CHANGED
from tests.chaos.house import a_house
from tests.chaos.ledger import Verdict
from tests.chaos.report import Trial
from tests.corpora.topics import an_example, wire

LATER_FIELD = b"\xfa\x7c\x05later"  # number 1999, a text: of a later producer
GROUPS = ("warehouse", "billing", "drift", "evaluation", "alerting")
OLD = "old"


@pytest.mark.fault(35)
@pytest.mark.chaos
async def test_old_messages_in_an_old_file_are_handled_by_all_and_keep_unknown_fields(
    trial: Trial, tmp_path: Path
) -> None:
    facts = [
        Fact(topic, "default", new_id(), wire(an_example(topic)) + later)
        for topic in ALL
        if topic is not REGISTRY_CHANGED
        for later in (b"", LATER_FIELD)
    ]
    trial.inject("message of the first version", len(facts))
    await _first_version(tmp_path / "data" / "log", facts)
    async with a_house(tmp_path, trial) as house:
        await house.comes(lambda: not any(house.waiting(group, OLD) for group in GROUPS))
        letters = await house.letters()
        rows = {
            table.name: (await house.client.query(f"SELECT count() AS n FROM leeway.{table.name}"))
            for table in FACT_TABLES
        }
    log = FolderLog(tmp_path / "data" / "log")
    [old] = [reader for reader in log.readers() if reader.producer == OLD]
    kept, _ = old.read([topic.name for topic in ALL], 0, 100)
    log.close()

    assert [one.value for one in kept] == [fact.value for fact in facts]
    assert [(one.group, one.reason) for one in letters] == []
    assert all(int(found["n"]) >= 1 for [found] in rows.values()), rows  # the same id twice: merged
    trial.settle(Verdict(len(facts), len(kept), lost=0, duplicated=0))


async def _first_version(folder: Path, facts: list[Fact]) -> None:
    """An outbox without what later versions added to its tables."""
    async with SqliteOutbox(folder / f"{OLD}.db", SystemClock()) as outbox:
        await outbox.append(facts)
    with closing(sqlite3.connect(folder / f"{OLD}.db", isolation_level=None)) as db:
        db.execute("ALTER TABLE seen DROP COLUMN digest")
        db.execute("ALTER TABLE records DROP COLUMN place_sum")
        db.execute("ALTER TABLE records DROP COLUMN value_sum")
        db.execute("DELETE FROM meta WHERE name IN ('sealed_from', 'epoch_sum')")

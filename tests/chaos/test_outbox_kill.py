"""A process is killed while it appends and checkpoints, again and again: what it was told is stored is there once."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from shared.clock import SystemClock
from shared.log.checkpoint import CheckpointLimits
from shared.log.outbox import SqliteOutbox
from shared.log.record import Fact
from shared.topics import INTERACTION_COMPLETED

KILLS, ACKNOWLEDGED = 4, 150
OFTEN = CheckpointLimits(pages=10, longest_pages=40)


def _append_until_killed(folder: Path, first: int) -> int:
    """The number of the last fact that the child acknowledged."""
    command = [sys.executable, "-m", "tests.chaos.test_outbox_kill", str(folder), str(first)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    last = -1
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        for line in child.stdout:
            last = int(line)
            if last == first + ACKNOWLEDGED:
                child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    return last


def test_what_was_accepted_before_a_kill_is_stored_once(tmp_path: Path) -> None:
    last = 0
    for _ in range(KILLS):
        last = _append_until_killed(tmp_path, last)  # it sends the last one again: nobody knows
    refused = asyncio.run(_send_other_content(tmp_path, last))

    with closing(sqlite3.connect(tmp_path / "edge-0.db")) as db:
        ids = [name for (name,) in db.execute("SELECT event_id FROM records ORDER BY id")]
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert len(ids) == len(set(ids))
    assert refused == [f"id-{last}"]
    assert ids[: last + 1] == [f"id-{n}" for n in range(last + 1)]


def _a_fact(n: int, digest: bytes) -> Fact:
    return Fact(INTERACTION_COMPLETED, "acme", f"id-{n}", b"v" * 5000, digest=digest)


async def _send_other_content(folder: Path, n: int) -> list[str]:
    async with SqliteOutbox(folder / "edge-0.db", SystemClock()) as outbox:
        assert list(await outbox.append([_a_fact(n, b"sent")])) == []
        return [fact.event_id for fact in await outbox.append([_a_fact(n, b"other")])]


async def _append(folder: Path, first: int) -> None:
    async with SqliteOutbox(folder / "edge-0.db", SystemClock(), checkpoints=OFTEN) as outbox:
        for n in range(first, sys.maxsize):
            assert list(await outbox.append([_a_fact(n, b"sent")])) == []
            sys.stdout.write(f"{n}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_append(Path(sys.argv[1]), int(sys.argv[2])))

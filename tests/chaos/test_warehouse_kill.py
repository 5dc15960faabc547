"""The store is killed in the middle of inserts, again and again: no fact is lost, none is there twice."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.stores import a_sink, a_store, interactions

BATCHES, ROWS, KILLS = 30, 400, 4


def _start(folder: Path, first: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.test_warehouse_kill", str(folder), str(first)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def _kill_after(child: "subprocess.Popen[str]", acknowledged: int) -> int:
    """The number of the last batch that the child acknowledged before it was killed, -1 for none."""
    last = -1
    with child:
        assert child.stdout is not None
        for count, line in enumerate(child.stdout, 1):
            last = int(line)
            if count == acknowledged:
                child.send_signal(signal.SIGKILL)
    return last


async def test_a_store_killed_in_mid_insert_loses_nothing_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    done = -1
    for kill in range(KILLS):
        child = _start(tmp_path, done + 1)
        done = max(done, await asyncio.to_thread(_kill_after, child, 1 + kill % 4))
        assert child.returncode == -signal.SIGKILL

    last = _start(tmp_path, done)
    assert await asyncio.to_thread(_kill_after, last, BATCHES + 1) == BATCHES - 1
    assert last.returncode == 0

    async with a_store(tmp_path) as store, store.client() as client:
        assert await client.query(
            "SELECT count() AS n, uniqExact(interaction_id) AS ids FROM leeway.interactions"
        ) == [{"n": BATCHES * ROWS, "ids": BATCHES * ROWS}]
        assert await client.query("SELECT sum(facts) AS n FROM leeway.stored") == [
            {"n": BATCHES * ROWS}
        ]


async def _write(folder: Path, first: int) -> None:
    """What the runtime does: every batch in order, exactly as before, from the first not acknowledged."""
    async with a_store(folder) as store, store.client() as client:
        sink = a_sink(client)
        for batch in range(first, BATCHES):
            await sink.handle(interactions(range(batch * ROWS, (batch + 1) * ROWS)))
            sys.stdout.write(f"{batch}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_write(Path(sys.argv[1]), int(sys.argv[2])))

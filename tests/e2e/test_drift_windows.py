"""What drift saw minute by minute, asked in SQL, in both modes; and in a cluster though its process is killed."""

import asyncio
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.e2e.test_first_minute import call, rows
from tests.stack import Stack, a_stack

PATIENCE_SECONDS = 90
WINDOWS = """
WITH (SELECT max(begins_at) + INTERVAL 1 SECOND FROM leeway.drift_windows_v1) AS told_until
SELECT
    feature,
    toUInt32(sum(rows)) AS rows,
    toUInt32(sum(late_rows)) AS late,
    (SELECT toUInt32(count()) FROM leeway.interactions_v1 WHERE started_at < told_until) AS calls
FROM leeway.drift_windows_v1
WHERE feature IN ('embedding', 'error_rate')
GROUP BY feature ORDER BY feature FORMAT JSON
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the cluster's PostgreSQL may enter too, which root runs as another user."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


async def windows_of(stack: Stack, calls: int) -> Sequence[dict[str, object]]:
    """What the windows add up to, once they hold so many calls; later ones close those before them."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            await call(stack)
            found = await rows(stack, WINDOWS)
            counts = [(int(str(row["rows"])), int(str(row["calls"]))) for row in found]
            if len(counts) == 2 and all(counted == made >= calls for counted, made in counts):
                return found
            await asyncio.sleep(0.5)


@pytest.mark.parametrize("words", [(), ("--cluster",)], ids=["embedded", "cluster"])
async def test_every_call_stands_in_one_window_though_drift_is_killed(
    folder: Path, words: tuple[str, ...]
) -> None:
    short = {"LEEWAY_DRIFT_WINDOW_SECONDS": "1", "LEEWAY_DRIFT_GRACE_SECONDS": "1"}
    async with a_stack(folder, *words, **short) as stack:
        for _ in range(5):
            await call(stack)
        os.kill(stack.ready["pids"]["drift" if words else "core"], signal.SIGKILL)
        for _ in range(5):
            await call(stack)

        found = await windows_of(stack, 10)
        hosted_by_faust = any((folder / "data").glob("processes/drift/faust/*"))

    assert [row["feature"] for row in found] == ["embedding", "error_rate"]
    assert [row["late"] for row in found] == [0, 0]
    assert hosted_by_faust == bool(words)

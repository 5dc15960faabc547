"""`leeway demo` as a person runs it: a planted drift becomes a signed alert that arrived."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.stack import a_stack

DEMO_SECONDS = 240  # a minute on two quiet cores


async def demo(folder: Path, *options: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", "demo", *options),
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_a_planted_drift_becomes_a_delivered_and_signed_alert(tmp_path: Path) -> None:
    process = await demo(tmp_path, "--json")
    async with asyncio.timeout(DEMO_SECONDS):
        output, progress = await process.communicate()

    assert process.returncode == 0, progress.decode()
    told = json.loads(output)
    assert told["recorded"]["calls"] == told["sent"]["accepted"] == told["sent"]["calls"] == 1080
    assert told["recorded"]["priced"] == told["recorded"]["embedded"] == 1080
    assert told["recorded"]["failed"] == told["sent"]["failed"] > 0
    assert told["recorded"]["thumbs"] == told["sent"]["thumbs"] > 0
    assert all(told["noticed"].values())
    assert {seen["feature"] for seen in told["detections"]} >= {"embedding", "refusal_rate"}
    assert all(seen["statistic"] > seen["threshold"] for seen in told["detections"])
    assert {(one["rule"], one["verified"]) for one in told["alerts"]} == {
        ("drift", True),
        ("spend", True),
    }
    assert b"\x1b" not in progress
    assert left_in(tmp_path) == []


async def test_it_plays_on_the_installation_that_runs_here_in_an_environment_of_its_own(
    tmp_path: Path,
) -> None:
    async with a_stack(tmp_path) as stack:
        async with asyncio.timeout(DEMO_SECONDS):
            code, output = await stack.leeway("demo", "--here", "--json", "--rate", "80")
        _, environments = await stack.leeway(
            "sql", "SELECT DISTINCT environment FROM calls_v1", "--format", "csv"
        )

    told = json.loads(output)
    assert code == 0, told
    assert told["recorded"]["calls"] == told["sent"]["accepted"] == told["sent"]["calls"] == 1080
    assert {one["verified"] for one in told["alerts"]} == {None}
    [environment] = environments.replace('"', "").splitlines()[1:]
    assert environment.startswith("demo-")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupted_demo_leaves_nothing_behind(tmp_path: Path, number: int) -> None:
    process = await demo(tmp_path, "--json")
    assert process.stderr is not None
    async with asyncio.timeout(DEMO_SECONDS):
        while b"accepted" not in (line := await process.stderr.readline()):
            assert line, "it ended before its first call"
        pids = installed_pids(tmp_path)

        process.send_signal(number)
        await process.communicate()

    assert process.returncode == 130
    assert [pid for pid in pids if is_alive(pid)] == []
    assert left_in(tmp_path) == []


def installed_pids(folder: Path) -> list[int]:
    """The processes of the demo's installation."""
    ready = json.loads(next(folder.glob("leeway-demo-*/ready.json")).read_bytes())
    assert set(ready["pids"]) == {"supervisor", "warehouse", "core", "edge-0"}
    return list(ready["pids"].values())


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())

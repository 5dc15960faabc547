"""Something holds the event loop: the process says where it stands, and is unhealthy until it turns again."""

import asyncio
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.operations import OperationsPort
from services.watchdog import Watchdog
from shared.clock import SystemClock
from shared.metrics import LOOP_STALLS
from tests.chaos.report import Trial
from tests.waiting import until

LIMIT_SECONDS, HELD_SECONDS, STALLS = 0.2, 1.0, 3


def hold_the_loop(seconds: float) -> None:
    """A CPU task where none belongs."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


class Asker(threading.Thread):
    """Asks a process for its health, again and again, as an orchestrator does."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.answers: list[int] = []
        self._url = url
        self._enough = threading.Event()

    def run(self) -> None:
        while not self._enough.wait(0.02):
            self.answers.append(_health(self._url))

    async def is_told(self, status: int) -> None:
        """Return when it is told this from now on."""
        told = len(self.answers)
        await until(lambda: status in self.answers[told + 1 :])

    def stop(self) -> None:
        self._enough.set()


def _health(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=30) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code


@pytest.mark.fault(33)
async def test_a_loop_that_is_held_is_told_of_and_unhealthy_until_it_turns(
    trial: Trial, tmp_path: Path
) -> None:
    before = LOOP_STALLS._value.get()
    watchdog = Watchdog(SystemClock(), limit_seconds=LIMIT_SECONDS)
    port = OperationsPort("p", tmp_path, ("127.0.0.1", 0), lambda: True, watchdog.guard)
    with capture_logs() as logs:
        async with watchdog, port:
            target = json.loads((tmp_path / "p.json").read_text())[0]["targets"][0]
            asker = Asker(f"http://{target}/healthz")
            asker.start()
            for stall in range(1, STALLS + 1):
                await asker.is_told(200)
                trial.inject("loop held for 1 s")
                hold_the_loop(HELD_SECONDS)
                with trial.recovery():
                    await until(partial(_has_turned, logs, stall))
            await asker.is_told(200)
            asker.stop()
            await asyncio.to_thread(asker.join)

    told = [entry for entry in logs if entry["event"] == "loop.stalled"]
    assert LOOP_STALLS._value.get() - before == len(told) == STALLS
    assert all("hold_the_loop" in entry["stack"][-1] for entry in told)
    assert set(asker.answers) == {200, 503}
    assert asker.answers.count(503) >= 3 * STALLS


def _has_turned(logs: Sequence[Mapping[str, Any]], times: int) -> bool:
    return [entry["event"] for entry in logs].count("loop.turned") == times

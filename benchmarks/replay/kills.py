"""`kill -9` at random moments: which process, when, and how long it was gone.

What the supervisor does not restart (a cluster's Kafka) is started again here, as a child of this process.
"""

import asyncio
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.local.broker import ADDRESS, answers

EMBEDDED = ("core", "edge", "warehouse")
CLUSTER = ("edge", "registry", "warehouse", "billing", "drift", "evaluation", "alerting")
BROKER = "kafka"
LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Gone:
    """A process that was killed, and the seconds until its successor served."""

    victim: str
    seconds: float


def moments(kills: Mapping[str, int], seconds: float, seed: int) -> dict[str, list[float]]:
    """For each kind of process its moments to die, in seconds from the start, in order."""
    rng = random.Random(seed)
    return {
        victim: sorted(rng.uniform(0, seconds) for _ in range(times))
        for victim, times in kills.items()
    }


class Revived:
    """A process that nobody else starts again: killed, and started by its own command line."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
        self._folder = Path(f"/proc/{pid}/cwd").readlink()
        self._successor: subprocess.Popen[bytes] | None = None

    def kill(self) -> None:
        """SIGKILL."""
        if self._successor is None:
            os.kill(self._pid, signal.SIGKILL)
        else:
            self._successor.kill()
            self._successor.wait()

    def start(self) -> None:
        """Start its successor; what it says stands in its folder."""
        with (self._folder / "successor.log").open("ab") as said:
            self._successor = subprocess.Popen(
                self._command, cwd=self._folder, stdout=said, stderr=said
            )

    def end(self) -> None:
        """End its successor, if it has one."""
        if self._successor is not None:
            self._successor.terminate()
            self._successor.wait()


class Killer:
    """Kills processes of an installation that stands in a ready file, which names their pids.

    The next kill of a kind waits until the file names the successor of the last one, so that each kill
    ends a process that serves. The other kind may die meanwhile.
    """

    def __init__(self, ready_file: Path, broker: Revived | None = None) -> None:
        self._ready_file = ready_file
        self._broker = broker

    async def kill(self, kills: Mapping[str, int], seconds: float, seed: int) -> list[Gone]:
        """Kill so many of each kind within some seconds, or later when recoveries take longer."""
        start = time.monotonic()
        plan = moments(kills, seconds, seed)
        rounds = await asyncio.gather(
            *(self._kill_all(victim, [start + at for at in plan[victim]]) for victim in plan)
        )
        return [gone for each_kind in rounds for gone in each_kind]

    async def _kill_all(self, victim: str, times: Sequence[float]) -> list[Gone]:
        gone = []
        for at in times:
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            killed = time.monotonic()
            if victim == BROKER and self._broker is not None:
                await self._kill_broker(self._broker)
            else:
                await self._kill(victim)
            gone.append(Gone(victim, time.monotonic() - killed))
        return gone

    async def _kill(self, victim: str) -> None:
        name, pid = self._pid(victim)
        os.kill(pid, signal.SIGKILL)
        while self._pids().get(name, pid) == pid:  # noqa: ASYNC110 (another process writes the file)
            await asyncio.sleep(LOOK_SECONDS)

    async def _kill_broker(self, broker: Revived) -> None:
        broker.kill()
        broker.start()
        address = (self._ready_file.parent / "data" / BROKER / ADDRESS).read_text()
        while not await asyncio.to_thread(answers, int(address.rpartition(":")[2])):  # noqa: ASYNC110 (the same)
            await asyncio.sleep(LOOK_SECONDS)

    def _pid(self, victim: str) -> tuple[str, int]:
        return next((name, pid) for name, pid in self._pids().items() if name.startswith(victim))

    def _pids(self) -> dict[str, int]:
        pids: dict[str, int] = json.loads(self._ready_file.read_text())["pids"]
        return pids

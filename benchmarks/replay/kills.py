"""`kill -9` at random moments: which process, when, and how long it was gone."""

import asyncio
import json
import os
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

EMBEDDED = ("core", "edge", "warehouse")
CLUSTER = ("warehouse", "billing", "edge")
LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Gone:
    """A process that was killed, and the seconds until its successor served."""

    victim: str
    seconds: float


def moments(victims: Sequence[str], each: int, seconds: float, seed: int) -> dict[str, list[float]]:
    """For each kind of process its moments to die, in seconds from the start, in order."""
    rng = random.Random(seed)
    return {victim: sorted(rng.uniform(0, seconds) for _ in range(each)) for victim in victims}


class Killer:
    """Kills processes of an installation that stands in a ready file, which names their pids.

    The next kill of a kind waits until the file names the successor of the last one, so that each kill
    ends a process that serves. The other kind may die meanwhile.
    """

    def __init__(self, ready_file: Path, victims: Sequence[str] = EMBEDDED) -> None:
        self._ready_file = ready_file
        self._victims = victims

    async def kill(self, each: int, seconds: float, seed: int) -> list[Gone]:
        """Kill so many of each kind within some seconds, or later when recoveries take longer."""
        start = time.monotonic()
        plan = moments(self._victims, each, seconds, seed)
        rounds = await asyncio.gather(
            *(self._kill_all(victim, [start + at for at in plan[victim]]) for victim in plan)
        )
        return [gone for each_kind in rounds for gone in each_kind]

    async def _kill_all(self, victim: str, times: Sequence[float]) -> list[Gone]:
        gone = []
        for at in times:
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            name, pid = self._pid(victim)
            os.kill(pid, signal.SIGKILL)
            killed = time.monotonic()
            while self._pids().get(name, pid) == pid:  # noqa: ASYNC110 (another process writes the file)
                await asyncio.sleep(LOOK_SECONDS)
            gone.append(Gone(victim, time.monotonic() - killed))
        return gone

    def _pid(self, victim: str) -> tuple[str, int]:
        return next((name, pid) for name, pid in self._pids().items() if name.startswith(victim))

    def _pids(self) -> dict[str, int]:
        pids: dict[str, int] = json.loads(self._ready_file.read_text())["pids"]
        return pids

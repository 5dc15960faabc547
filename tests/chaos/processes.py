"""Programs of the trials as processes of their own: killed, frozen, thawed, and asked how they ended."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.sources import ROOT

START_SECONDS = 60


class Child:
    """A running program. It says a line when it is ready, and whatever else it has to say line by line."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    async def line(self) -> str:
        """What it says next; empty when it has ended."""
        assert self._process.stdout is not None
        return (await self._process.stdout.readline()).decode().strip()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        return self._process.returncode is not None

    async def end(self) -> int:
        """Wait for it to end by itself; its exit code."""
        return await self._process.wait()

    async def kill(self) -> None:
        """SIGKILL, also where it is frozen."""
        if not self.ended:
            self._process.kill()
        await self._process.wait()

    async def stop(self) -> None:
        """SIGTERM: it ends in its own time."""
        if not self.ended:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
        await self._process.wait()

    def freeze(self) -> None:
        """SIGSTOP."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._process.send_signal(signal.SIGCONT)

    def resident_bytes(self) -> int:
        """Its memory now."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def told(self, event: str) -> list[dict[str, Any]]:
        """The lines of its log about an event, and those of the programs before it with the same log."""
        return [line for line in self._lines() if line.get("event") == event]

    def errors(self) -> list[dict[str, Any]]:
        """The lines that say that something went wrong which should not."""
        return [line for line in self._lines() if line.get("level") == "error"]

    def _lines(self) -> list[dict[str, Any]]:
        if not self._log.exists():
            return []
        return [json.loads(line) for line in self._log.read_text().splitlines()]


@asynccontextmanager
async def a_child(log: Path, module: str, *words: object) -> AsyncIterator[Child]:
    """`python -m MODULE WORDS`, once it is ready; killed with the end of the block, if it still lives then."""
    with log.with_suffix(".err").open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *map(str, words)),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    child = Child(process, log)
    try:
        async with asyncio.timeout(START_SECONDS):
            assert await child.line() == "ready", log.with_suffix(".err").read_text()
        yield child
    finally:
        await child.kill()

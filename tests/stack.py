"""The whole stack as its users start it: `leeway up` in a folder of its own, on free ports."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_SECONDS = 120


@dataclass
class Stack:
    """A running installation."""

    folder: Path
    process: asyncio.subprocess.Process
    ready: dict[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        return stack_environment(self.folder)

    async def leeway(self, *words: str) -> tuple[int, str]:
        """Run a verb of the command line against this installation."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.cli",
            *words,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode()

    async def stop(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(START_SECONDS):
            return await self.process.wait()


def stack_environment(folder: Path) -> dict[str, str]:
    ports = {"LEEWAY_PORT": "0", "LEEWAY_SQL_PORT": "0", "LEEWAY_OTLP_PORT": "0"}
    return {**os.environ, **ports, "LEEWAY_DATA": str(folder / "data")}


@asynccontextmanager
async def a_stack(folder: Path, *words: str, **settings: str) -> AsyncIterator[Stack]:
    """`leeway up`, with more words, and with more settings of its environment.

    One that ends, or is not ready in time, fails with what it said.
    """
    ready_file, said = folder / "ready.json", folder / "up.log"
    ready_file.unlink(missing_ok=True)
    with said.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "services.cli", "up", *words],
            *["--ready-file", str(ready_file)],
            env={**stack_environment(folder), **settings},
            stdout=output,
            stderr=output,
        )
    try:
        ready = await _comes(ready_file.exists, process)
        assert ready, f"`leeway up` is not ready:\n{said.read_text(errors='replace')}"
        yield Stack(folder, process, json.loads(ready_file.read_text()))
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.wait()


async def _comes(ready: Callable[[], bool], process: asyncio.subprocess.Process) -> bool:
    """Whether it is ready before it ends, and in time."""
    ended = asyncio.ensure_future(process.wait())
    deadline = time.monotonic() + START_SECONDS
    while not ready() and not ended.done() and time.monotonic() < deadline:
        await asyncio.wait([ended], timeout=0.05)
    return ready()

"""`make up`: Ctrl-C at a terminal, and signals sent to make, drain Leeway; nothing that it started is left."""

import asyncio
import fcntl
import json
import os
import pty
import signal
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.stack import stack_environment

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 90


@dataclass
class Made:
    """A `make up` that is ready."""

    process: asyncio.subprocess.Process
    pids: dict[str, int]

    async def ended(self) -> int:
        """Its exit code, once it has one; whatever it started has ended before it."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            code = await self.process.wait()
        assert not [name for name, pid in self.pids.items() if _lives(pid)]
        return code


@asynccontextmanager
async def make_up(folder: Path, terminal: int | None = None) -> AsyncIterator[Made]:
    """`make up` in a session of its own, whose terminal is the given one."""

    def take_terminal() -> None:
        if terminal is not None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    ready_file = folder / "ready.json"
    bin_folder = Path(sys.executable).parent
    process = await asyncio.create_subprocess_exec(
        *["make", "-C", str(ROOT), "-o", "install", "up", f"BIN={bin_folder}"],
        f"ARGS=--ready-file {ready_file}",
        env=stack_environment(folder),
        stdin=terminal if terminal is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=take_terminal,
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not ready_file.exists():
                await asyncio.sleep(0.05)
        yield Made(process, json.loads(ready_file.read_text())["pids"])
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


def _lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_ctrl_c_at_a_terminal_drains_and_make_ends_with_0(tmp_path: Path) -> None:
    keyboard, terminal = pty.openpty()
    with os.fdopen(keyboard, "wb", buffering=0) as keys, os.fdopen(terminal, "rb"):
        async with make_up(tmp_path, terminal) as made:
            keys.write(b"\x03")

            assert await made.ended() == 0


async def test_an_interrupt_of_make_alone_drains_before_make_dies_of_it(tmp_path: Path) -> None:
    async with make_up(tmp_path) as made:
        made.process.send_signal(signal.SIGINT)

        assert await made.ended() == -signal.SIGINT


async def test_a_kill_of_make_drains(tmp_path: Path) -> None:
    async with make_up(tmp_path) as made:
        made.process.send_signal(signal.SIGTERM)

        assert await made.ended() == -signal.SIGTERM

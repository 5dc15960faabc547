"""The supervisor: opens the ports, starts the processes, restarts what dies, and drains on the way out."""

import asyncio
import fcntl
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from services.placement import EMBEDDED
from services.restarts import keep_alive
from services.settings import Installation
from shared.clock import Clock
from shared.errors import Conflict
from shared.private_file import write_private
from shared.reloading import RELOAD

Say = Callable[[str], None]

Reload = Callable[[], Awaitable[bool]]
"""Reads the configuration again; whether processes must be renewed for all of it to be in force."""

# Not SIGHUP: that is what a terminal sends when it closes, and then everything is to end.
RENEW = signal.SIGUSR1
# In front of no terminal it is what everybody sends a server that shall read its configuration again.
HANG_UP = signal.SIGHUP


@dataclass(frozen=True, slots=True)
class Ports:
    """The sockets that outlive every child: while one restarts, its callers wait instead of failing."""

    http: socket.socket
    sql: socket.socket

    @property
    def http_port(self) -> int:
        """The port that the API answers on."""
        return int(self.http.getsockname()[1])

    @property
    def sql_port(self) -> int:
        """The port that ClickHouse's HTTP interface answers on."""
        return int(self.sql.getsockname()[1])


@contextmanager
def sole_owner(data: Path) -> Iterator[None]:
    """Be the only supervisor of a data folder meanwhile. Raises `Conflict` when there is one.

    The lock file holds the process id of the supervisor, for who has a signal for it.
    """
    data.mkdir(parents=True, exist_ok=True)
    with (data / "supervisor.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as busy:
            raise Conflict(
                f"Another Leeway runs in {data.absolute()}: "
                "stop it, or set LEEWAY_DATA to another folder."
            ) from busy
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def open_ports(installation: Installation) -> Ports:
    """Listen on the installation's ports; raises `Conflict` with the setting to change.

    Each edge opens OTLP's port by itself; here it is only tried, so that a taken one is told at once.
    """
    if installation.otlp_port:
        _listen(installation.host, installation.otlp_port, "LEEWAY_OTLP_PORT").close()
    http = _listen(installation.host, installation.port, "LEEWAY_PORT")
    try:
        return Ports(http, _listen(installation.host, installation.sql_port, "LEEWAY_SQL_PORT"))
    except Conflict:
        http.close()
        raise


def _listen(host: str, port: int, setting: str) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Conflict(
            f"Port {port} on {host} cannot be used ({error.strerror}): "
            f"stop what is there, or set {setting} to another port."
        ) from error
    listener.listen(2048)
    return listener


def kept_config(installation: Installation) -> str:
    """Where the configuration of this start is kept, or nothing where there is none.

    A child that is started again runs on the same one as the others, and not on half a file that
    somebody is writing.
    """
    path = installation.config_path
    if path is None:
        return ""
    kept = installation.data.absolute() / "run" / "leeway.yaml"
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_private(kept, path.read_bytes())
    return str(kept)


@dataclass(slots=True)
class Child:
    """One process to keep alive."""

    name: str
    services: tuple[str, ...]
    listener: socket.socket | None
    environment: Mapping[str, str]
    generation: int  # those of a lower one are told to end first
    process: asyncio.subprocess.Process | None = None
    renewed: bool = False  # it was told to end, to be started again at once
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def pid(self) -> int:
        """Its process id now, or 0 between two lives."""
        return (
            self.process.pid if self.process is not None and self.process.returncode is None else 0
        )


def children(installation: Installation, ports: Ports) -> list[Child]:
    """The processes of the embedded mode: the store, what analyses, and the edge workers that share one port.

    They end in the opposite order: what one tells last is still stored.
    """
    nice = {"LEEWAY_NICE": "10"}  # whoever waits for an answer comes first
    sql = {"LEEWAY_WAREHOUSE_LISTEN_FD": str(ports.sql.fileno())}
    warehouse = Child("warehouse", EMBEDDED["warehouse"], None, {**nice, **sql}, generation=2)
    # Small matrices: more threads only wait for each other.
    analysis = {**nice, "OPENBLAS_NUM_THREADS": "1"}
    core = Child("core", EMBEDDED["core"], None, analysis, generation=1)
    edges = [
        Child(
            f"edge-{n}",
            EMBEDDED["edge"],
            ports.http,
            {"LEEWAY_INGEST_GRPC_PORT": str(installation.otlp_port)},
            generation=0,
        )
        for n in range(installation.edge_workers)
    ]
    return [warehouse, core, *edges]


class Supervisor:
    """Keeps its children alive until it is told to stop; then they drain, one generation after another.

    Told to renew, it restarts the workers at the doors one after another; told to reload, it has the
    configuration read again.
    """

    def __init__(
        self,
        family: Sequence[Child],
        ports: Ports,
        installation: Installation,
        clock: Clock,
        say: Say,
        reload: Reload,
    ) -> None:
        self._reload = reload
        self._family = family
        self._ports = ports
        self._installation = installation
        self._clock = clock
        self._say = say
        self._config = ""
        self._started = False
        self._stopping = asyncio.Event()
        self._changing = asyncio.Lock()
        self._lifeline = os.pipe()

    async def run(self, on_ready: Callable[[Mapping[str, int]], None]) -> int:
        """Start everything and live until stopped; returns the exit code, 0 after a clean drain.

        `on_ready` gets the pids once all serve, and from then on those that serve whenever one does again.
        """
        self._on_ready = on_ready
        self._config = await asyncio.to_thread(kept_config, self._installation)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        keepers = [asyncio.create_task(self._keep(child)) for child in self._family]
        told = [
            asyncio.create_task(self._when_told(self._renew_doors, RENEW)),
            asyncio.create_task(self._when_told(self._take_in, *_reload_signals())),
        ]
        await self._stopping.wait()
        for each in told:
            each.cancel()
        clean = await self._drain()
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*told, *keepers, return_exceptions=True)
        return 0 if clean else 1

    def stop(self) -> None:
        """Drain, and let `run` return."""
        self._stopping.set()

    async def _announce(self, child: Child, ready_fd: int) -> None:
        """Wait for the child's byte; once every child has sent its first, tell who waits for that."""
        if await asyncio.to_thread(os.read, ready_fd, 1):
            child.ready.set()
            serving = {other.name: other.pid for other in self._family if other.ready.is_set()}
            self._started = self._started or len(serving) == len(self._family)
            if self._started:
                self._on_ready(serving)
        os.close(ready_fd)

    async def _keep(self, child: Child) -> None:
        def tell(code: int, wait_seconds: float) -> None:
            self._say(
                f"{child.name} ended with code {code}; starting it again in {wait_seconds:.1f} s "
                f"(its log: {self._log_path(child)}; its last words: {self._words_path(child)})"
            )

        await keep_alive(lambda: self._live(child), self._clock, self._stopping, tell)

    async def _live(self, child: Child) -> int:
        """Its exit code once it has ended by itself: a renewal is no end."""
        code = await self._live_once(child)
        while child.renewed and not self._stopping.is_set():
            child.renewed = False
            code = await self._live_once(child)
        return code

    async def _live_once(self, child: Child) -> int:
        ready_read, ready_write = os.pipe()
        log_path = self._log_path(child)
        # What is not logged: the interpreter's last words. One life's are enough.
        with self._words_path(child).open("wb") as output:
            child.process = await asyncio.create_subprocess_exec(
                *self._command(child, ready_write),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **child.environment, **self._own_environment(log_path)},
                pass_fds=self._inherited(ready_write),
                # Of our session, so that who is nicer gives way to who is not; but not of our process
                # group: the terminal's Ctrl-C is for the supervisor alone.
                process_group=0,
            )
        os.close(ready_write)
        watch = asyncio.create_task(self._announce(child, ready_read))
        code = await child.process.wait()
        await watch
        child.ready.clear()
        return code

    def _command(self, child: Child, ready_fd: int) -> list[str]:
        listener = child.listener
        return [
            sys.executable,
            "-m",
            "services",
            child.name,
            "--services",
            ",".join(child.services),
            "--ready-fd",
            str(ready_fd),
            "--lifeline-fd",
            str(self._lifeline[0]),
            "--sql-port",
            str(self._ports.sql_port),
            *(["--listen-fd", str(listener.fileno())] if listener is not None else []),
        ]

    def _own_environment(self, log_path: Path) -> dict[str, str]:
        return {"LEEWAY_CONFIG": self._config, "LEEWAY_LOG_FILE": str(log_path)}

    def _inherited(self, ready_fd: int) -> tuple[int, ...]:
        return (ready_fd, self._lifeline[0], self._ports.http.fileno(), self._ports.sql.fileno())

    def _log_path(self, child: Child) -> Path:
        folder = self._installation.data.absolute() / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{child.name}.log"

    def _words_path(self, child: Child) -> Path:
        return self._log_path(child).with_suffix(".out")

    async def _when_told(self, do: Callable[[], Awaitable[None]], *numbers: signal.Signals) -> None:
        told = asyncio.Event()
        for number in numbers:
            asyncio.get_running_loop().add_signal_handler(number, told.set)
        while True:
            await told.wait()
            told.clear()
            async with self._changing:
                await do()

    async def _take_in(self) -> None:
        """Read the configuration again, and renew whoever reads a part of it only at its start."""
        if await self._reload():
            await self._renew([child for child in self._family if _STORE not in child.services])

    async def _renew_doors(self) -> None:
        """Restart the workers that share the port."""
        await self._renew([child for child in self._family if child.listener is not None])
        self._say("the workers at the doors are new")

    async def _renew(self, family: Sequence[Child]) -> None:
        """Restart processes, each only once the one before it serves again."""
        for child in family:
            await child.ready.wait()
            self._say(f"{child.name} is told to end, and starts again")
            child.ready.clear()
            child.renewed = True
            await self._end(child)
            await child.ready.wait()

    async def _drain(self) -> bool:
        """End each generation, with a deadline; whether all ended by themselves, cleanly."""
        clean = True
        for generation in sorted({child.generation for child in self._family}):
            going = [child for child in self._family if child.generation == generation]
            ends = await asyncio.gather(*(self._end(child) for child in going))
            clean = clean and all(ends)
        return clean

    async def _end(self, child: Child) -> bool:
        process = child.process
        if process is None or process.returncode is not None:
            return True
        process.terminate()
        try:
            async with asyncio.timeout(self._installation.drain_seconds + 10):
                return await process.wait() == 0
        except TimeoutError:
            self._say(f"{child.name} did not end in time; it is killed (its facts are stored)")
            process.kill()
            await process.wait()
            return False


def _reload_signals() -> tuple[signal.Signals, ...]:
    return (RELOAD,) if sys.stdin.isatty() else (RELOAD, HANG_UP)


_STORE = "warehouse"

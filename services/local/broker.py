"""A Kafka broker (one node, KRaft) on loopback: a plain process that can be killed, frozen and started again."""

import base64
import signal
import socket
import struct
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from services.local.kafka_jars import jars, java
from shared.errors import Unavailable

START_SECONDS = 120
ADDRESS = "address"  # the file that says where it answers, from its start to its stop

_LOGGING = """<Configuration status="ERROR">
  <Appenders><Console name="out"><PatternLayout pattern="%d %p %m (%c)%n"/></Console></Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
"""


class Broker:
    """A broker with its data in a folder; `servers` is its address, the same after a restart.

    A folder that had one before is taken up again, at another address.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port, controller_port = _free_ports(2)
        self.servers = f"127.0.0.1:{self._port}"
        logs = folder / "log"
        logs.mkdir(parents=True, exist_ok=True)
        (folder / "log4j2.xml").write_text(_LOGGING)
        (folder / "server.properties").write_text(
            _lines(_properties(self._port, controller_port, logs))
        )
        # What `kafka-storage format` would write, without a second Java for it.
        identity = {"version": 1, "cluster.id": _id(), "node.id": 1, "directory.id": _id()}
        if not (logs / "meta.properties").exists():
            (logs / "meta.properties").write_text(_lines(identity))

    def start(self) -> None:
        """Start, and return when the broker answers."""
        command = [str(java()), "-Xmx384m", "-Xms64m", "-XX:+UseSerialGC"]
        command += ["-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError"]
        command += [f"-Dlog4j2.configurationFile={self._folder}/log4j2.xml", "-cp", f"{jars()}/*"]
        command += ["kafka.Kafka", str(self._folder / "server.properties")]
        with (self._folder / "broker.log").open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 (a Java of ours)
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self._folder
            )
        deadline = time.monotonic() + START_SECONDS
        while not answers(self._port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                told = (self._folder / "broker.log").read_text()[-4000:]
                raise Unavailable(f"Kafka did not start: {told}")
            time.sleep(0.05)
        (self._folder / ADDRESS).write_text(self.servers)

    @property
    def pid(self) -> int:
        """Its process id, since the last start."""
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL: what was acknowledged is there after the next start."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """SIGTERM: it ends in its own time."""
        (self._folder / ADDRESS).unlink()
        self._process.terminate()
        self._process.wait()

    def freeze(self) -> None:
        """SIGSTOP: connections stay open, and nothing answers."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def a_broker(folder: Path) -> Iterator[Broker]:
    """A running broker, killed with the end of the block: nobody wants its data."""
    broker = Broker(folder)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


def _properties(port: int, controller_port: int, logs: Path) -> dict[str, object]:
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": logs,
        "auto.create.topics.enable": "false",
        # One node keeps everything once.
        "default.replication.factor": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # Quick to start, to form groups, and to come back after a kill (defaults: 3 s, 9 s).
        "group.initial.rebalance.delay.ms": 0,
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,
    }


def _lines(properties: dict[str, object]) -> str:
    return "".join(f"{name}={value}\n" for name, value in properties.items())


def _id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def _free_ports(n: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def answers(port: int) -> bool:
    """Whether a broker is there: whether ApiVersions, the first request of every client, is answered."""
    request = struct.pack(">hhih", 18, 0, 1, 5) + b"tests"
    try:
        with closing(socket.create_connection(("127.0.0.1", port), timeout=2)) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            return len(connection.recv(8)) == 8
    except OSError:
        return False

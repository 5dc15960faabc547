"""The ways that lead to one upstream: how each is asked, and what its processes cost."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.processes import cpu_seconds, family

QUESTION = "How do I reset the thermostat after a power cut? " * 8
ENDS = {"complete": b"}", "stream": b"data: [DONE]"}
CONFIG = """
providers:
  - name: openai
    kind: openai
    base_url: {upstream}/v1
models:
  - name: bench
    routes:
      - provider: openai
        model: gpt-4o-mini
"""


@dataclass(frozen=True, slots=True)
class Sql:
    """Where what a Leeway recorded is counted."""

    url: str
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Way:
    """One way to the upstream.

    `answering` are the processes between client and upstream, `all` those and what they record with.
    `asks_usage`: its client asks for a stream's usage; Leeway asks by itself, so that the upstream does
    the same work each way.
    """

    name: str
    url: str
    model: str = "gpt-4o-mini"
    headers: Sequence[str] = ()
    asks_usage: bool = True
    answering: Sequence[int] = ()
    all: Sequence[int] = ()
    sql: Sql | None = None

    @property
    def chat_url(self) -> str:
        return f"{self.url}/v1/chat/completions"

    def body(self, mode: str) -> bytes:
        """A support question."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [
                {"role": "system", "content": "You are a helpful support agent."},
                {"role": "user", "content": QUESTION},
            ],
            "temperature": 0.2,
        }
        if mode == "stream":
            body["stream"] = True
            if self.asks_usage:
                body["stream_options"] = {"include_usage": True}
        return json.dumps(body).encode()

    def cpu_seconds(self) -> "Cost":
        """What its processes have cost so far; nothing when they are not ours."""
        return Cost(
            sum(cpu_seconds(pid) for pid in self.answering),
            sum(cpu_seconds(pid) for pid in self.all),
        )


@dataclass(slots=True)
class Cost:
    """Seconds of CPU: of the processes that answer, and of all."""

    answering: float = 0.0
    all: float = 0.0

    def add(self, before: "Cost", after: "Cost") -> None:
        self.answering += after.answering - before.answering
        self.all += after.all - before.all


@contextmanager
def spawned(
    command: Sequence[str], env: Mapping[str, str] | None = None, *, quiet: bool = True
) -> Iterator["subprocess.Popen[str]"]:
    """A process with a session's other processes, ended with the block, its children with it."""
    out = subprocess.DEVNULL if quiet else subprocess.PIPE
    with subprocess.Popen(
        command, env={**os.environ, **(env or {})}, stdout=out, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


@contextmanager
def a_server(module: str, *given: str) -> Iterator[Way]:
    """A module of ours that prints its URL when it answers."""
    command = [sys.executable, "-m", module, *given]
    with spawned(command, quiet=False) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        yield Way("", url, answering=(process.pid,), all=(process.pid,))


@contextmanager
def leeway(upstream: str, workers: int) -> Iterator[Way]:
    """A whole Leeway in processes and a folder of its own."""
    with TemporaryDirectory() as folder:
        config, ready = Path(folder) / "leeway.yaml", Path(folder) / "ready.json"
        config.write_text(CONFIG.format(upstream=upstream))
        env = {
            "LEEWAY_DATA": f"{folder}/data",
            "LEEWAY_CONFIG": str(config),
            "LEEWAY_PORT": "0",
            "LEEWAY_SQL_PORT": "0",
            "LEEWAY_OTLP_PORT": "0",
            "LEEWAY_EDGE_WORKERS": str(workers),
        }
        command = [sys.executable, "-m", "services.cli", "up", "--ready-file", str(ready)]
        with spawned(command, env) as process:
            told = _await_ready(process, ready)
            edges = [pid for name, pid in told["pids"].items() if name.startswith("edge")]
            yield Way(
                name=f"leeway_{workers}",
                url=told["url"],
                model="bench",
                headers=(f"authorization: Bearer {told['api_key']}",),
                asks_usage=False,
                answering=edges,
                all=family(process.pid),
                sql=Sql(told["sql_url"], told["sql_user"], told["sql_password"]),
            )


def _await_ready(process: "subprocess.Popen[str]", ready: Path) -> dict[str, Any]:
    while not ready.exists():
        if process.poll() is not None:
            raise SystemExit(f"Leeway did not start: exit code {process.returncode}.")
        time.sleep(0.05)
    told: dict[str, Any] = json.loads(ready.read_text())
    return told

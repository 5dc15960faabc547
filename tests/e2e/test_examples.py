"""The examples, and the SDK's README, do what they say in both modes: each is run as its reader runs it."""

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
import pytest_asyncio

from shared.config.loader import load_config
from tests.chaos.line import free_port
from tests.stack import Stack, a_stack

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SDK = ROOT / "sdk" / "python"
TIMEOUT_SECONDS = 180
MODES = {"embedded": (), "cluster": ("--cluster",)}
# Worked out from the examples' own seeds, without Leeway.
READMISSIONS = """\
2025-01: 41 discharged, 12 readmitted, precision 1.00, recall 0.50
2025-02: 38 discharged, 7 readmitted, precision 0.67, recall 0.29
2025-03: 41 discharged, 10 readmitted, precision 0.44, recall 0.40
2025-04: 40 discharged, 9 readmitted, precision 1.00, recall 0.67
2025-05: 41 discharged, 9 readmitted, precision 0.62, recall 0.56
2025-06: 39 discharged, 10 readmitted, precision 1.00, recall 0.50
"""
FRAUD = """\
2025-01: 93 paid, 16 blocked, 13 charged back
    2837.60 lost, 6128.72 refused in vain
2025-02: 84 paid, 18 blocked, 19 charged back
    2581.27 lost, 3249.14 refused in vain
2025-03: 93 paid, 20 blocked, 23 charged back
    6163.05 lost, 5613.90 refused in vain
2025-04: 30 paid, 7 blocked, 6 charged back
    1547.64 lost, 3320.26 refused in vain
"""

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def otlp_port() -> int:
    return free_port()


@pytest.fixture(scope="module", params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(mode: str) -> Iterator[Path]:
    """A folder that a cluster's PostgreSQL may enter too, where the tests run as root."""
    with tempfile.TemporaryDirectory(prefix=f"leeway-{mode}-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(folder: Path, mode: str, otlp_port: int) -> AsyncIterator[Stack]:
    """One installation of each mode, for every example."""
    async with a_stack(folder, *MODES[mode], LEEWAY_OTLP_PORT=str(otlp_port)) as running:
        yield running


def sql_address(stack: Stack) -> str:
    login = f"{stack.ready['sql_user']}:{stack.ready['sql_password']}"
    return f"{stack.ready['sql_url'].replace('://', f'://{login}@')}/leeway"


def environment(stack: Stack) -> dict[str, str]:
    """What the examples ask to be set, and nothing of this machine's own Leeway."""
    inherited = {name: value for name, value in os.environ.items() if "LEEWAY" not in name}
    return {
        **inherited,
        "LEEWAY_URL": stack.ready["url"],
        "LEEWAY_API_KEY": stack.ready["api_key"],
        "LEEWAY_SQL": sql_address(stack),
        "LEEWAY_SPOOL_DIR": "off",
        "OPENAI_API_KEY": stack.ready["api_key"],
        "OPENAI_BASE_URL": f"{stack.ready['url']}/v1",
        "PYTHONPATH": os.pathsep.join((str(SDK / "src"), os.environ.get("PYTHONPATH", ""))),
    }


async def run(*words: str, env: Mapping[str, str]) -> str:
    """Run Python with these words; what it printed. It must end well."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        cwd=ROOT,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            printed, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, complaints.decode()
    return printed.decode()


async def example(stack: Stack, name: str) -> str:
    return await run(str(EXAMPLES / name), env=environment(stack))


async def found(stack: Stack, sql: str, count: int, **parameters: str) -> list[dict[str, Any]]:
    """The rows of a query, once there are so many."""
    client = await asyncio.to_thread(clickhouse_connect.get_client, dsn=sql_address(stack))
    async with asyncio.timeout(30):
        while True:
            answer = await asyncio.to_thread(client.query, sql, parameters=parameters)
            rows = [dict(row) for row in answer.named_results()]
            if len(rows) == count:
                return rows
            await asyncio.sleep(0.1)


def word_after(text: str, word: str) -> str:
    told = re.search(rf"{word} ([\w.-]+)", text)
    assert told is not None, text
    return told[1]


async def test_openais_client_calls_streams_and_uses_a_tool(stack: Stack) -> None:
    printed = await example(stack, "openai_client.py")

    [row] = await found(
        stack,
        "SELECT session_id, user_id, tags, toString(cost_usd) AS cost FROM calls_v1"
        " WHERE interaction_id = {id:String} AND cost_usd IS NOT NULL",
        1,
        id=word_after(printed, "interaction"),
    )
    assert (row["session_id"], row["user_id"]) == ("support-1", "u-7")
    assert row["tags"] == {"team": "support"}
    assert Decimal(row["cost"]) == Decimal(word_after(printed, "USD"))
    assert "tool weather {'city':" in printed
    assert re.search(r"streamed \d+ tokens", printed)


async def test_an_agents_steps_nest_and_its_user_is_heard(stack: Stack) -> None:
    printed = await example(stack, "observe_agent.py")

    session = word_after(printed, "session")
    spans = await found(
        stack,
        "SELECT name, span_id, parent_span_id, trace_id FROM spans_v1"
        " WHERE session_id = {session:String} ORDER BY started_at",
        5,
        session=session,
    )
    [call] = await found(
        stack,
        "SELECT trace_id, parent_span_id, thumb, tags FROM calls_v1"
        " WHERE session_id = {session:String} AND feedback_count = 2",
        1,
        session=session,
    )
    names = {span["span_id"]: span["name"] for span in spans}
    nested = [(span["name"], names.get(span["parent_span_id"], "")) for span in spans]
    assert nested == [
        ("answer", ""),
        ("topics", "answer"),
        ("look_up", "answer"),
        ("look_up", "answer"),
        ("write", "answer"),
    ]
    assert {span["trace_id"] for span in spans} == {call["trace_id"]}
    assert (names[call["parent_span_id"]], call["thumb"]) == ("write", "up")
    assert call["tags"] == {"channel": "app"}


async def test_a_hospital_reads_precision_and_recall_by_month(stack: Stack) -> None:
    printed = await example(stack, "hospital_readmission.py")

    assert printed == READMISSIONS


async def test_a_bank_counts_what_fraud_cost_and_takes_back_won_disputes(stack: Stack) -> None:
    printed = await example(stack, "bank_fraud.py")

    assert printed == FRAUD


async def test_the_banks_alert_rules_are_valid() -> None:
    config = load_config(EXAMPLES / "bank_fraud.yaml", {})

    assert [rule.name for rule in config.rules] == ["card-fraud-drifts", "card-fraud-fails"]


async def test_an_opentelemetry_application_is_recorded_as_it_is(stack: Stack) -> None:
    trace = word_after(await example(stack, "otel_app.py"), "trace")

    spans = await found(
        stack,
        "SELECT name FROM spans_v1 WHERE trace_id = {trace:String} ORDER BY name",
        2,
        trace=trace,
    )
    [call] = await found(
        stack,
        "SELECT source, request_model, session_id, input_text, output_text, input_tokens, output_tokens,"
        " pricing_status FROM calls_v1 WHERE trace_id = {trace:String} AND pricing_status != ''",
        1,
        trace=trace,
    )
    assert [span["name"] for span in spans] == ["answer", "search"]
    assert call == {
        "source": "otlp",
        "request_model": "gpt-4o",
        "session_id": "trip-1",
        "input_text": "What is the capital of France?",
        "output_text": "Paris.",
        "input_tokens": 14,
        "output_tokens": 3,
        "pricing_status": "priced",
    }


async def test_the_grpc_example_of_the_docs_is_recorded(
    stack: Stack, otlp_port: int, tmp_path: Path
) -> None:
    text = (ROOT / "docs" / "grpc.md").read_text(encoding="utf-8")
    program = tmp_path / "record.py"
    program.write_text(text.partition("```python\n")[2].partition("```")[0], encoding="utf-8")
    told = {"LEEWAY_GRPC": f"127.0.0.1:{otlp_port}", "PYTHONPATH": str(ROOT / "protos" / "gen")}

    printed = await run(str(program), env={**environment(stack), **told})

    [row] = await found(
        stack,
        "SELECT session_id, output_text, input_tokens FROM calls_v1 WHERE interaction_id = {id:String}",
        1,
        id=printed.strip(),
    )
    assert row == {"session_id": "session-1", "output_text": "Four.", "input_tokens": 7}


async def test_an_analysts_questions_are_answered(stack: Stack) -> None:
    await example(stack, "openai_client.py")

    printed = await example(stack, "analyst.py")

    assert printed.count("?\n") == 5
    assert re.search(r"demo \| priced \| \d+ \| 0\.\d+", printed)


async def test_every_python_block_of_the_sdks_readme_runs(stack: Stack, tmp_path: Path) -> None:
    text = (SDK / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    program = "\n".join([*blocks, "assert leeway.flush()", "print(leeway.stats())"])
    told = {"lk_...": "api_key", "http://127.0.0.1:8080": "url"}
    for placeholder, name in told.items():
        assert program.count(placeholder) == 1
        program = program.replace(placeholder, stack.ready[name])
    readme = tmp_path / "readme.py"
    # The provider is this installation as well, whose only model is the demo.
    readme.write_text(program.replace('"gpt-5"', '"demo"'), encoding="utf-8")

    printed = await run(str(readme), env=environment(stack))

    [thumbed] = await found(
        stack, "SELECT tags FROM calls_v1 WHERE session_id = 's-1' AND thumb = 'up'", 1
    )
    assert len(blocks) == 4
    assert thumbed["tags"] == {"plan": "pro"}
    assert printed == (
        "Stats(accepted=13, pending=0, sent=13, rejected=0,"
        " spooled=0, recovered=0, dropped=0, invalid=0)\n"
    )


@pytest.mark.skipif(find_spec("xllamacpp") is None, reason="docs/real-model.md: two packages")
async def test_a_real_models_usage_is_recorded_to_the_token(stack: Stack) -> None:
    printed = await example(stack, "local_model.py")

    assert printed.endswith("4 calls: usage and cost in SQL equal what the client was told.\n")

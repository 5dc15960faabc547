"""`leeway up`: what it refuses at once, what a stop leaves, and what the next start finds again."""

import asyncio
import json
import signal
import socket
import sys
from pathlib import Path

import pytest
from openai import AsyncOpenAI

from shared.secrets_folder import SecretsFolder
from tests.stack import Stack, a_stack, stack_environment

ANSWER = "It is on its way and will be with you on Tuesday. " * 5
CALL = "SELECT status, output_text FROM leeway.interactions_v1 WHERE interaction_id = '{}'"


async def test_a_taken_port_is_one_sentence_and_a_failure(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "services.cli", "up"],
            env={**stack_environment(tmp_path), "LEEWAY_PORT": str(port)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()

    assert (process.returncode, output) == (1, b"")
    assert errors.decode() == (
        f"leeway: Port {port} on 127.0.0.1 cannot be used (Address already in use): "
        "stop what is there, or set LEEWAY_PORT to another port.\n"
    )


async def test_an_installation_that_ends_at_its_start_fails_its_test_at_once_with_why(
    tmp_path: Path,
) -> None:
    with pytest.raises(AssertionError, match=r"not ready:\nleeway: .*nowhere\.yaml"):
        async with asyncio.timeout(30), a_stack(tmp_path, LEEWAY_CONFIG="nowhere.yaml"):
            pass


async def stopped_in_mid_answer(stack: Stack) -> tuple[str, str]:
    """A streamed call during which Ctrl-C comes: its id, and all of its text."""
    async with AsyncOpenAI(
        base_url=stack.ready["url"] + "/v1", api_key=stack.ready["api_key"]
    ) as client:
        raw = await client.chat.completions.with_raw_response.create(
            model="demo",
            messages=[{"role": "user", "content": "Where is my card?"}],
            metadata={"leeway_demo_answer": ANSWER},
            stream=True,
        )
        text = ""
        async for chunk in raw.parse():
            if chunk.choices and chunk.choices[0].delta.content:
                if not text:
                    stack.process.send_signal(signal.SIGINT)
                text += chunk.choices[0].delta.content
        return raw.headers["x-leeway-interaction-id"], text


async def test_a_stop_lets_calls_end_and_the_next_start_has_them_and_the_key(
    tmp_path: Path,
) -> None:
    async with a_stack(tmp_path) as stack:
        first = stack.ready
        interaction_id, text = await stopped_in_mid_answer(stack)
        exit_code = await stack.process.wait()
    async with a_stack(tmp_path) as stack:
        second = stack.ready
        login = ("--url", second["sql_url"], "--user", second["sql_user"])
        query = CALL.format(interaction_id)
        password = ("--password", second["sql_password"])
        code, found = await stack.leeway("sql", query, "--format", "json", *login, *password)

    kept = ("api_key", "sql_user", "sql_password")
    assert (exit_code, text) == (0, ANSWER)
    assert [first[name] for name in kept] == [second[name] for name in kept]
    assert (code, json.loads(found)) == (0, {"status": "ok", "output_text": ANSWER})


async def test_an_sql_user_lives_as_long_as_its_tenant(tmp_path: Path) -> None:
    config = tmp_path / "leeway.yaml"
    config.write_text("tenants: [{tenant: stays}, {tenant: goes}]\n")
    async with a_stack(tmp_path, LEEWAY_CONFIG=str(config)) as stack:
        api = ("--url", stack.ready["url"])
        await stack.leeway("tenants", "create", "made", *api)
        passwords = {
            tenant: (await stack.leeway("tenants", "sql-password", tenant, *api))[1].strip()
            for tenant in ("stays", "goes", "made")
        }
        before = {tenant: await asks(stack, tenant, word) for tenant, word in passwords.items()}
        await stack.stop()
    config.write_text("tenants: [{tenant: stays}]\n")
    async with a_stack(tmp_path, LEEWAY_CONFIG=str(config)) as stack:
        after = {tenant: await asks(stack, tenant, word) for tenant, word in passwords.items()}

    assert before == {"stays": True, "goes": True, "made": True}
    assert after == {"stays": True, "goes": False, "made": True}
    assert set(SecretsFolder(tmp_path / "data").credentials().sql_passwords) == {
        *("leeway", "made", "stays")
    }


async def asks(stack: Stack, user: str, password: str) -> bool:
    """Whether an SQL user with this password is answered."""
    login = ("--url", stack.ready["sql_url"], "--user", user, "--password", password)
    return (await stack.leeway("sql", "SELECT 1", *login))[0] == 0

"""`leeway doctor accounting`: what it says of the books, and when it cannot read them."""

import asyncio
import json
import sys
from pathlib import Path

from typer.testing import CliRunner, Result

from services.cli.doctor.command import app
from shared.secrets_folder import Credentials, SecretsFolder
from tests.embedded import EmbeddedHarness
from tests.logs import Collecting, a_fact
from tests.stack import stack_environment
from tests.stores import OPERATOR, PASSWORD, Store, a_store


async def _asked(folder: Path, store: Store, *arguments: str) -> Result:
    SecretsFolder(folder).remember(Credentials(sql_passwords={OPERATOR: PASSWORD}))
    runner = CliRunner(env={"LEEWAY_DATA": str(folder)})
    words = ["accounting", "--url", store.url, *arguments]
    return await asyncio.to_thread(runner.invoke, app, words)


async def _given_up(folder: Path) -> None:
    """A log with one fact, which the warehouse gave up on."""
    (folder / "log").mkdir()
    log = EmbeddedHarness(folder / "log")
    refusing = Collecting(done=1)
    refusing.reject = b"value 1"
    async with log.outbox() as outbox:
        await outbox.append([a_fact(1)])
        await log.run(refusing, refusing.stop, "warehouse")


async def test_books_that_add_up_are_said_so(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        result = await _asked(tmp_path, store)

    assert (result.exit_code, result.stderr) == (0, "The books add up.\n")


async def test_what_is_quarantined_is_never_passed_over(tmp_path: Path) -> None:
    await _given_up(tmp_path)
    async with a_store(tmp_path) as store:
        result = await _asked(tmp_path, store, "--json")

    told = json.loads(result.stdout.splitlines()[-1])
    assert (result.exit_code, told["ok"], told["quarantined"]) == (0, True, 1)
    assert result.stderr == (
        "The books add up. 1 quarantined, in no table:"
        " `leeway dlq list --group warehouse` says why.\n"
    )


async def test_a_store_that_is_down_is_one_sentence(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "services.cli", "doctor", "accounting"],
        *["--url", "http://127.0.0.1:1"],
        env=stack_environment(tmp_path),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()

    assert (process.returncode, output) == (1, b"")
    assert errors.decode() == (
        "leeway: http://127.0.0.1:1 does not answer: is `leeway up` running?\n"
    )

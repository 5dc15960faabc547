"""`leeway keys` and `leeway tenants` against a registry that answers."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from services.cli import keys, tenants
from shared.config import Config, KeyConfig, TenantConfig
from shared.errors import Denied, Invalid, LeewayError, NotFound, Unavailable
from shared.live import split_key
from shared.secrets_folder import SecretsFolder
from shared.tokens import is_token
from tests.registry import START, Installation

CONFIG = Config(tenants=(TenantConfig("acme", keys=(KeyConfig("web", ("serve",)),)),))


@dataclass
class Desk:
    """The command line before a registry, with the operators' key."""

    installation: Installation
    url: str
    key: str

    async def run(self, verbs: typer.Typer, *arguments: str) -> Result:
        login = ("--url", self.url, "--key", self.key)
        runner = CliRunner(env={"LEEWAY_DATA": str(self.installation.data)})
        return await asyncio.to_thread(runner.invoke, verbs, [*arguments, *login])


@asynccontextmanager
async def a_desk(data: Path) -> AsyncIterator[Desk]:
    installation = Installation(data)
    seeded = await installation.prepare(CONFIG)
    await installation.tell()
    async with installation.served() as url:
        yield Desk(installation, url, seeded.keys[0].token)


async def test_a_created_key_is_all_that_standard_output_holds(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        made = await desk.run(
            keys.app, "create", "batch", "--tenant", "acme", "--scope", "serve", "--scope", "read"
        )

        await desk.installation.tell()
        token = made.stdout.splitlines()[0]
        assert desk.installation.live.caller(token, START).scopes == {"serve", "read"}
        assert "not shown again" in made.stderr


async def test_keys_are_listed_as_a_table_and_as_json_lines(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        table = await desk.run(keys.app, "list")
        lines = await desk.run(keys.app, "list", "--tenant", "acme", "--json")

        assert "acme" in table.stdout
        assert "leeway" in table.stdout
        listed = [json.loads(line) for line in lines.stdout.splitlines()]
        assert [(key["tenant"], key["name"]) for key in listed] == [("acme", "web")]


async def test_a_key_is_rotated_and_revoked(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        listed = await desk.run(keys.app, "list", "--tenant", "acme", "--json")
        key_id = json.loads(listed.stdout)["key_id"]

        rotated = await desk.run(keys.app, "rotate", key_id, "--overlap-seconds", "60")
        revoked = await desk.run(keys.app, "revoke", key_id)

        await desk.installation.tell()
        token = rotated.stdout.splitlines()[0]
        assert desk.installation.live.caller(token, START).tenant == "acme"
        assert desk.installation.live.keys[key_id].revoked
        assert "(acme/web) opens nothing any more." in revoked.stdout


async def test_a_tenant_is_made_and_listed(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        made = await desk.run(tenants.app, "create", "new", "--content", "hash")
        listed = await desk.run(tenants.app, "list", "--json")

        assert "new is made" in made.stdout
        found = {
            row["tenant"]: row["content"] for row in map(json.loads, listed.stdout.splitlines())
        }
        assert found == {"acme": "full", "leeway": "none", "new": "hash"}


async def test_a_tenant_of_the_api_gets_an_sql_password_and_another_one(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        await desk.run(tenants.app, "create", "new")
        first = await desk.run(tenants.app, "sql-password", "new")
        again = await desk.run(tenants.app, "sql-password", "new")
        other = await desk.run(tenants.app, "sql-password", "new", "--rotate")

        kept = SecretsFolder(tmp_path).credentials().sql_passwords
        assert first.stdout == again.stdout != other.stdout
        assert kept == {"new": other.stdout.strip()}


@pytest.mark.parametrize(("tenant", "error"), [("nobody", NotFound), ("leeway", Denied)])
async def test_who_is_no_tenant_gets_no_sql_password(
    tmp_path: Path, tenant: str, error: type[LeewayError]
) -> None:
    async with a_desk(tmp_path) as desk:
        refused = await desk.run(tenants.app, "sql-password", tenant)

        assert isinstance(refused.exception, error)
        assert SecretsFolder(tmp_path).credentials().sql_passwords == {}


async def test_a_refusal_is_the_registrys_own_sentence(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        result = await desk.run(tenants.app, "create", "acme")

        assert isinstance(result.exception, Invalid)
        assert result.exception.message == "There is a tenant 'acme' already."


def test_a_registry_that_is_not_there_is_said_so() -> None:
    login = ["--url", "http://127.0.0.1:1", "--key", "lk"]

    result = CliRunner().invoke(keys.app, ["list", *login])

    assert isinstance(result.exception, Unavailable)
    assert "is `leeway up` running?" in result.exception.message


def test_without_a_key_it_says_where_to_get_one(tmp_path: Path) -> None:
    environment = {"LEEWAY_DATA": str(tmp_path), "LEEWAY_ADMIN_KEY": ""}

    result = CliRunner(env=environment).invoke(keys.app, ["list"])

    assert isinstance(result.exception, Denied)


def test_a_generated_key_is_a_whole_one() -> None:
    token = CliRunner().invoke(keys.app, ["generate", "--environment", "staging"]).stdout.strip()

    assert is_token(token)
    assert token.startswith("lk_staging_")
    assert len(split_key(token)[0]) == 8

"""`leeway demo` beside an installation: which one runs here, and what is refused before a call is made."""

from pathlib import Path

import pytest
import typer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from typer.testing import CliRunner, Result

from services.cli.demo.command import demo
from services.cli.demo.installation import running_in
from services.endpoints import Endpoints, told
from services.settings import Installation
from shared.errors import Denied, Unavailable
from shared.secrets_folder import Credentials, SecretsFolder
from tests.upstream import served

KEPT = Credentials(keys={"leeway/operator": "lk_ops", "default/first": "lk_mine"})


def models(request: Request) -> Response:
    """Answers one key alone."""
    return Response(
        status_code=200 if request.headers["authorization"] == "Bearer lk_mine" else 401
    )


def run(data: Path, *options: str) -> Result:
    verbs = typer.Typer()
    verbs.command()(demo)
    ports = {"LEEWAY_PORT": "1", "LEEWAY_SQL_PORT": "1"}
    return CliRunner().invoke(verbs, [*options], env={"LEEWAY_DATA": str(data), **ports})


@pytest.mark.parametrize("key", ["lk_mine", "lk_of_another_folder"])
async def test_what_runs_here_answers_the_key_that_is_kept_here(tmp_path: Path, key: str) -> None:
    SecretsFolder(tmp_path).remember(Credentials(keys={**KEPT.keys, "default/first": key}))
    async with served(Starlette(routes=[Route("/v1/models", models)])) as urls:
        with told(tmp_path, Endpoints(urls[0], "")):
            found = await running_in(Installation(data=tmp_path))

    assert found == (urls[0] if key == "lk_mine" else "")


async def test_nothing_runs_in_a_new_folder_or_where_nobody_answers(tmp_path: Path) -> None:
    here = Installation(data=tmp_path, port=1)

    assert await running_in(here) == ""
    SecretsFolder(tmp_path).remember(KEPT)
    assert await running_in(here) == ""


def test_here_without_an_installation_is_refused(tmp_path: Path) -> None:
    result = run(tmp_path, "--here")

    assert isinstance(result.exception, Unavailable)
    assert "leeway up" in result.exception.message


def test_one_installation_is_played_on_and_not_two(tmp_path: Path) -> None:
    assert run(tmp_path, "--here", "--url", "http://127.0.0.1:1").exit_code == 2


def test_a_given_installation_needs_a_key_that_registers_an_environment(tmp_path: Path) -> None:
    login = ("--key", "lk", "--sql-user", "acme", "--sql-password", "p")

    result = run(tmp_path, "--url", "http://127.0.0.1:1", *login)

    assert isinstance(result.exception, Denied)
    assert "--admin-key" in result.exception.message

"""`leeway alerts` against receivers that answer, and a control database that is there."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from typer.testing import CliRunner, Result

from services.alerting.desk import Desk
from services.alerting.rulebook import rules_of
from services.alerting.settings import Settings
from services.alerting.store import AlertStore
from services.cli.alerts import app
from shared.clock import SimulatedClock
from shared.database import Database, sqlite_url
from shared.errors import NotFound, Unavailable
from tests.alerting import NOW, a_detection, a_hearing
from tests.servers import LoopbackServer


async def _run(folder: Path, *arguments: str) -> Result:
    environment = {
        "LEEWAY_DATA": str(folder),
        "LEEWAY_CONFIG": str(folder / "leeway.yaml"),
        "COLUMNS": "200",
    }
    return await asyncio.to_thread(CliRunner().invoke, app, arguments, env=environment)


def _configure(folder: Path, url: str) -> None:
    (folder / "leeway.yaml").write_text(
        "alerts:\n"
        "  channels:\n"
        f"    - {{name: hook, kind: webhook, url: '{url}'}}\n"
        "  allow_networks: [127.0.0.0/8]\n"
    )


async def test_a_channel_is_tried_with_an_alert_and_its_resolution(tmp_path: Path) -> None:
    async with LoopbackServer() as server:
        _configure(tmp_path, server.url("/hook"))

        result = await _run(tmp_path, "test", "hook")

    assert result.stdout == "The channel hook took an alert and its resolution.\n"
    assert [b'"alert.fired"' in one.body for one in server.requests] == [True, False]


async def test_a_channel_that_refuses_is_told_with_its_answer(tmp_path: Path) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=403, text="wrong key")

    async with LoopbackServer(refuse) as server:
        _configure(tmp_path, server.url("/hook"))

        result = await _run(tmp_path, "test", "hook")

    assert isinstance(result.exception, Unavailable)
    assert result.exception.message == (
        "The channel hook did not take it. The receiver answered 403: wrong key"
    )


async def test_a_channel_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    _configure(tmp_path, "https://hooks.example.com/a")

    result = await _run(tmp_path, "test", "pager")

    assert isinstance(result.exception, NotFound)
    assert result.exception.message == "There is no channel 'pager': the channels are hook."


@pytest.mark.parametrize("told", [False, True])
async def test_alerts_are_listed_with_their_deliveries(tmp_path: Path, *, told: bool) -> None:
    _configure(tmp_path, "https://hooks.example.com/a")
    clock = SimulatedClock(NOW)
    async with Database(sqlite_url(tmp_path / "control.db")) as database:
        await database.migrate()
        desk = Desk(rules_of([], ["hook"], Settings()), ["hook"], AlertStore(database), clock)
        await desk.report([a_detection()])
        clock.advance(30 if told else 0)
        await desk.tick(a_hearing(clock.now()))

    result = await _run(tmp_path, "list")

    row = result.stdout.splitlines()[3]
    cells = [cell.strip() for cell in row.strip("│ ").split("│")]
    assert cells == [
        "2026-01-01 12:00:30" if told else "2026-01-01 12:00:00",
        "firing" if told else "pending",
        "warning",
        "drift",
        "model demo, tenant acme",
        "1",
        "1 waiting" if told else "-",
    ]

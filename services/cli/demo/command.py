"""The verb `demo`: its options, the order in which its parts are opened, and its exit code."""

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Annotated

import aiohttp
import typer
from rich.console import Console

from services.cli.demo.books import Books
from services.cli.demo.caller import Caller
from services.cli.demo.installation import Target, given, running_in, throwaway
from services.cli.demo.receiver import Receiver, written
from services.cli.demo.report import Report
from services.cli.demo.run import Run
from services.cli.demo.screen import screen_of
from services.cli.demo.traffic import script
from services.cli.demo.wording import account, beside, further, introduction, verdict
from services.settings import Installation
from shared.clickhouse import ClickHouse
from shared.clock import Clock, SystemClock
from shared.errors import Unavailable
from shared.lifecycle import ClickHouseAddress

SETTLE_SECONDS = 60.0
IDLE_SECONDS = 2.0  # sooner than the server, which drops connections that are idle for 5
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What was asked for on the command line; without `here` and `url` it is a throwaway installation."""

    rate: float
    seed: int
    stay: bool
    here: bool
    url: str
    key: str = field(repr=False)
    admin_key: str = field(repr=False)
    sql: str
    sql_user: str
    sql_password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Stage:
    """What is open while the demo plays."""

    target: Target
    receiver: Receiver | None
    http: aiohttp.ClientSession
    clickhouse: ClickHouse


def demo(
    rate: Annotated[float, typer.Option(min=1, max=200, help="Calls per second.")] = 40.0,
    seed: Annotated[int, typer.Option(help="Another seed writes other calls.")] = 1,
    *,
    stay: Annotated[
        bool, typer.Option("--stay", help="Stay up after the summary, to be asked; until Ctrl-C.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="The summary as JSON; progress on standard error.")
    ] = False,
    here: Annotated[
        bool, typer.Option("--here", help="Play on the installation that runs in LEEWAY_DATA.")
    ] = False,
    url: Annotated[str, typer.Option(help="Play on the installation at this URL.")] = "",
    key: Annotated[
        str, typer.Option(envvar="LEEWAY_API_KEY", help="With --url: a key to serve and feedback.")
    ] = "",
    admin_key: Annotated[
        str, typer.Option(envvar="LEEWAY_ADMIN_KEY", help="With --url: an operators' key.")
    ] = "",
    sql: Annotated[str, typer.Option(help="With --url: where it answers SQL.")] = "",
    sql_user: Annotated[str, typer.Option(help="With --url: an SQL user, as a tenant.")] = "",
    sql_password: Annotated[str, typer.Option(help="With --url: the SQL user's password.")] = "",
) -> None:
    """Play support traffic through the API, plant three drifts, show what is seen.

    By default it starts a throwaway installation, in a temporary folder and on free
    ports, whatever else is running: only that one can be told to alert the demo's
    own webhook receiver. Nothing of it is left at the end.

    With --here or --url it plays on a running installation, in an environment that
    it registers there, and reads the alerts in SQL: what a webhook is sent cannot
    be seen from here. What is not given is taken from LEEWAY_DATA.

    Exit code 0: every accepted call is recorded, a planted drift was noticed, and
    an alert arrived with a valid signature (with --here and --url: was told).
    """
    if here and url:
        raise typer.BadParameter("--here and --url are two installations: give one.")
    wishes = _Wishes(rate, seed, stay, here, url, key, admin_key, sql, sql_user, sql_password)
    console = Console(stderr=as_json, highlight=False)
    try:
        report = asyncio.run(_until_interrupted(wishes, console, as_json=as_json))
    except asyncio.CancelledError:
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(1 if report.missing else 0)


async def _until_interrupted(wishes: _Wishes, console: Console, *, as_json: bool) -> Report:
    """The demo, cancelled by the first signal; later ones do not disturb its tidying up."""
    task = asyncio.current_task()
    assert task is not None

    def interrupt() -> None:
        if not task.cancelling():
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, interrupt)
    return await _perform(wishes, console, SystemClock(), as_json=as_json)


async def _perform(wishes: _Wishes, console: Console, clock: Clock, *, as_json: bool) -> Report:
    began = clock.monotonic()
    scenes = script(wishes.seed)
    async with _opened(wishes, console, clock) as stage:
        console.print(introduction(stage.target, scenes, wishes.rate, console.width))
        caller = Caller(stage.http, stage.target.environment, clock)
        books = Books(stage.clickhouse, stage.target.environment, clock.now())
        with screen_of(console) as screen:
            run = Run(caller, books, stage.receiver, clock=clock, show=screen.show, began=began)
            report = await run.play(scenes, wishes.rate, SETTLE_SECONDS)
        _conclude(report, console, as_json=as_json)
        console.print(
            further(stage.target, up=wishes.stay or not stage.target.login), soft_wrap=True
        )
        if wishes.stay:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
    return report


def _conclude(report: Report, console: Console, *, as_json: bool) -> None:
    console.print()
    for part in (account, verdict):
        console.print(part(report, console.width), soft_wrap=True)
        console.print()
    if as_json:
        print(report.as_json(), flush=True)


@asynccontextmanager
async def _opened(wishes: _Wishes, console: Console, clock: Clock) -> AsyncIterator[_Stage]:
    async with AsyncExitStack() as stack:
        receiver, running = None, "" if wishes.url else await running_in(Installation())
        if wishes.here and not running:
            raise Unavailable("No installation answers in LEEWAY_DATA: is `leeway up` running?")
        if wishes.here or wishes.url:
            login = ClickHouseAddress(wishes.sql, wishes.sql_user, wishes.sql_password)
            url = wishes.url or running
            target = await given(url, wishes.key, wishes.admin_key, login, clock)
        else:
            if running:
                console.print(beside(running), soft_wrap=True)
            console.print("Starting a throwaway installation in a temporary folder ...")
            secret = secrets.token_bytes(32)
            receiver = await stack.enter_async_context(Receiver(secret, clock))
            own = throwaway(receiver.url, written(secret), clock)
            target = await stack.enter_async_context(own)
        http = aiohttp.ClientSession(
            target.url.rstrip("/") + "/",
            headers={"Authorization": f"Bearer {target.key}", "Content-Type": "application/json"},
            timeout=aiohttp.ClientTimeout(total=30),
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_SECONDS),
        )
        await stack.enter_async_context(http)
        clickhouse = await stack.enter_async_context(ClickHouse(target.sql))
        yield _Stage(target, receiver, http, clickhouse)

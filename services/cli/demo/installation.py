"""The installations that the demo can play on: one of its own that it throws away, or one that is running."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import orjson

from services.cli.control import Control
from services.cli.demo.receiver import CHANNEL
from services.cli.demo.report import SPEND_RULE
from services.endpoints import endpoints_of
from services.settings import Installation
from shared.clock import Clock
from shared.errors import Denied, Unavailable
from shared.ids import new_id
from shared.lifecycle import ClickHouseAddress
from shared.secrets_folder import OPERATORS, Credentials, SecretsFolder

GROUP_WAIT_SECONDS = 1
START_SECONDS = 120.0
STOP_SECONDS = 60.0
GREETING_SECONDS = 2.0
LIVE_SECONDS = 2.0  # what was registered is live everywhere within one

_SECRET = "LEEWAY_DEMO_WEBHOOK_SECRET"  # noqa: S105 (the name of a variable)


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send calls, in which environment, and where to ask for what became of them."""

    url: str
    key: str
    sql: ClickHouseAddress
    environment: str = "production"
    login: str = ""  # what a shell is told before `leeway sql`; empty for a given installation


@asynccontextmanager
async def throwaway(webhook_url: str, secret: str, clock: Clock) -> AsyncIterator[Target]:
    """`leeway up` in a temporary folder, on free ports, whose alerts go to a webhook; gone at the end.

    Everything is as installed, but for how long detections wait for company before they are told.
    """
    with TemporaryDirectory(prefix="leeway-demo-") as name:
        folder = Path(name)
        (folder / "leeway.yaml").write_text(_config(webhook_url))
        with (folder / "up.log").open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "services.cli", "up"),
                *("--ready-file", str(folder / "ready.json")),
                env=_environment(folder, secret),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the demo, which then stops it in order
            )
        try:
            yield await _ready(process, folder, clock)
        finally:
            await _stop(process)


def _config(webhook_url: str) -> str:
    return f"""\
alerts:
  allow_networks: [127.0.0.0/8] # loopback: the demo's own receiver listens there
  channels:
    - name: {CHANNEL}
      kind: webhook
      url: {webhook_url}
      secret: ${{{_SECRET}}}
  rules:
    - name: drift
      when: detection
      group_by: [tenant, model, feature]
      channels: [{CHANNEL}]
    - name: {SPEND_RULE}
      when: spend
      threshold: 0.50 # US dollars in a minute; normal traffic spends about 0.20
      window_seconds: 1m
      group_by: [tenant]
      channels: [{CHANNEL}]
"""


def _environment(folder: Path, secret: str) -> Mapping[str, str]:
    """The caller's environment without its settings of Leeway, and the demo's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LEEWAY_")}
    return {
        **kept,
        "LEEWAY_DATA": str(folder / "data"),
        "LEEWAY_CONFIG": str(folder / "leeway.yaml"),
        "LEEWAY_PORT": "0",
        "LEEWAY_SQL_PORT": "0",
        "LEEWAY_OTLP_PORT": "0",
        "LEEWAY_ALERTING_GROUP_WAIT_SECONDS": str(GROUP_WAIT_SECONDS),
        _SECRET: secret,
    }


async def running_in(here: Installation) -> str:
    """The URL of the installation that runs in a data folder; empty when none answers.

    It is asked something with a key that is kept here: another folder's may answer on the same port.
    """
    url, token = endpoints_of(here).url, _first_key(SecretsFolder(here.data).credentials())
    if not token:
        return ""
    timeout = aiohttp.ClientTimeout(total=GREETING_SECONDS)
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as http,
            http.get(f"{url}/v1/models") as answer,
        ):
            return url if answer.status == 200 else ""
    except (aiohttp.ClientError, TimeoutError):
        return ""


async def given(url: str, key: str, admin_key: str, sql: ClickHouseAddress, clock: Clock) -> Target:
    """An installation that runs, and an environment of the demo's own there, that stays registered.

    What is empty is what the data folder here knows. Raises `Denied` for what it does not.
    """
    here = Installation()
    kept = SecretsFolder(here.data).credentials()
    user = sql.user or next((name for name in kept.sql_passwords if name != OPERATORS), "")
    password = sql.password or kept.sql_passwords.get(user, "")
    token = key or _first_key(kept)
    admin = admin_key or kept.keys.get(f"{OPERATORS}/operator", "")
    if not token or not password or not admin:
        raise Denied(
            "A key, an SQL password or the operators' key is not kept here: pass --key, --sql-user,"
            " --sql-password and --admin-key."
        )
    environment = f"demo-{new_id()[-8:]}"
    body = {"tenant": user, "environment": environment}
    await asyncio.to_thread(Control(url, admin).ask, "POST", "environments", body)
    await clock.sleep(LIVE_SECONDS)
    address = sql.url or endpoints_of(here).sql_url
    return Target(url, token, ClickHouseAddress(address, user, password), environment)


def _first_key(kept: Credentials) -> str:
    """The first key that is not an operator's; empty for none."""
    known = (token for name, token in kept.keys.items() if not name.startswith(f"{OPERATORS}/"))
    return next(known, "")


async def _ready(process: asyncio.subprocess.Process, folder: Path, clock: Clock) -> Target:
    """The installation once it serves. Raises `Unavailable` with what it said when it does not."""
    ready, deadline = folder / "ready.json", clock.monotonic() + START_SECONDS
    while not ready.exists():
        if process.returncode is not None or clock.monotonic() > deadline:
            said = (folder / "up.log").read_text(errors="replace").strip()
            raise Unavailable(f"The demo's installation did not start: {said[-1000:]}")
        await clock.sleep(0.05)
    told = orjson.loads(ready.read_bytes())
    sql = ClickHouseAddress(told["sql_url"], told["sql_user"], told["sql_password"])
    port = sql.url.rpartition(":")[2]
    login = f"export LEEWAY_DATA={folder / 'data'} LEEWAY_SQL_PORT={port}"
    return Target(told["url"], told["api_key"], sql, login=login)


async def _stop(process: asyncio.subprocess.Process) -> None:
    """End it as Ctrl-C would; what does not end then is killed, and its children with it."""
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()

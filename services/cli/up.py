"""`leeway up`: everything on this machine, and how to call it."""

import asyncio
import importlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr
from rich.console import Console

from services.cli.program import program
from services.cli.reloading import Reloading
from services.cli.seeding import First, configured, prepare_control
from services.endpoints import Endpoints, endpoints_at, told
from services.placement import SERVICES, settings_kinds
from services.recipe import Make, own_job
from services.registry.settings import Settings as RegistrySettings
from services.settings import Installation
from services.supervisor import Child, Ports, Supervisor, children, open_ports, sole_owner
from shared.clock import Clock, SystemClock
from shared.config import Config
from shared.prices.seed import installed_book
from shared.prices.unpriced import unpriced, unpriced_warning
from shared.secrets_folder import SecretsFolder
from shared.settings import check_settings

# What is made is for its owner alone. A cluster's PostgreSQL, which does not run as root, enters folders on the way
# to its own; it can neither list them nor read what is in them.
PRIVATE, ENTERABLE = 0o077, 0o066

console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Ready:
    """What a person or a script needs to use the installation that just started."""

    url: str
    sql_url: str
    api_key: str
    sql_user: str
    sql_password: str
    pids: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Launch:
    """One start: what it is given, and whom it tells."""

    installation: Installation
    config: Config
    ports: Ports
    ready_file: Path | None
    make: Make | None
    clock: Clock

    @property
    def endpoints(self) -> Endpoints:
        """Where it answers."""
        ports = self.ports
        return endpoints_at(self.installation.host, ports.http_port, ports.sql_port)


def up(
    ready_file: Annotated[
        Path | None, typer.Option(help="Write url, keys and pids there as JSON, when ready.")
    ] = None,
    *,
    check: Annotated[
        bool,
        typer.Option("--check", help="Validate the configuration, print the settings, and exit."),
    ] = False,
    cluster: Annotated[
        bool,
        typer.Option(
            "--cluster",
            help="A process for each service, with a Kafka and a PostgreSQL of their own.",
        ),
    ] = False,
    recipe: Annotated[bool, typer.Option("--recipe", hidden=True)] = False,
) -> None:
    """Start Leeway here: the API, the SQL endpoint and every service behind them."""
    check_settings([Installation, *settings_kinds(SERVICES)])
    installation = Installation()
    config = configured(installation)
    warning = unpriced_warning(unpriced(config, installed_book(config)))
    if warning:
        typer.secho(warning, fg="yellow", err=True)
    if check:
        console.print_json(installation.model_dump_json())
        return
    live = _live_as_cluster if cluster else _live_embedded
    os.umask(ENTERABLE if cluster else PRIVATE)
    with sole_owner(installation.data):
        make = Make() if recipe else None
        ports = open_ports(installation)
        launch = _Launch(installation, config, ports, ready_file, make, SystemClock())
        with told(installation.data, launch.endpoints), own_job() if make else nullcontext():
            code = asyncio.run(live(launch))
    raise typer.Exit(code)


async def _live_embedded(launch: _Launch) -> int:
    first = await prepare_control(launch.installation, launch.config, RegistrySettings())
    reloading = _reloading(launch, RegistrySettings())
    family = children(launch.installation, launch.ports)
    return await _live(launch, first, family, reloading, {})


async def _live_as_cluster(launch: _Launch) -> int:
    # Only who asks for a cluster waits for Kafka's client to load.
    local = importlib.import_module("services.local.cluster")
    async with local.outside(launch.installation) as systems:
        settings = RegistrySettings(database_url=SecretStr(systems.database_url))
        first = await prepare_control(launch.installation, launch.config, settings)
        family = local.members(launch.installation, launch.ports, systems, launch.clock)
        pids = {"kafka": systems.broker_pid, "postgres": systems.postgres_pid}
        return await _live(launch, first, family, _reloading(launch, settings), pids)


def _reloading(launch: _Launch, settings: RegistrySettings) -> Reloading:
    return Reloading(launch.installation, settings, launch.config, launch.clock, console.print)


async def _live(
    launch: _Launch,
    first: First,
    family: Sequence[Child],
    reloading: Reloading,
    others: Mapping[str, int],
) -> int:
    """Keep the family alive until told to stop; the exit code."""
    printed = False

    def on_ready(pids: Mapping[str, int]) -> None:
        nonlocal printed
        ready = _ready(launch, first, {"supervisor": os.getpid(), **others, **pids})
        if launch.ready_file is not None:
            _write_whole(launch.ready_file, json.dumps(asdict(ready)))
        if not printed:
            _tell(ready, launch)
            printed = True

    await reloading.begin()
    supervisor = Supervisor(
        family, launch.ports, launch.installation, launch.clock, console.print, reloading.reload
    )
    watch = None
    if launch.make is not None:
        watch = asyncio.create_task(_stop_after(launch.make, supervisor, launch.clock))
    try:
        return await supervisor.run(on_ready)
    finally:
        if watch is not None:
            watch.cancel()


def _ready(launch: _Launch, first: First, pids: Mapping[str, int]) -> Ready:
    return Ready(
        url=launch.endpoints.url,
        sql_url=launch.endpoints.sql_url,
        api_key=first.api_key,
        sql_user=first.tenant,
        sql_password=SecretsFolder(launch.installation.data).sql_password(first.tenant),
        pids=pids,
    )


async def _stop_after(make: Make, supervisor: Supervisor, clock: Clock) -> None:
    await make.ended(clock)
    supervisor.stop()


def _write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees all of it or nothing; only its owner may read it."""
    draft = path.with_name(f".{path.name}.draft")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)


def _tell(ready: Ready, launch: _Launch) -> None:
    key = ready.api_key or "YOUR_KEY"
    model = launch.config.models[0].name if launch.config.models else "YOUR_MODEL"
    console.print(
        f"""[bold green]Leeway is ready.[/]

  API   [bold]{ready.url}/v1[/]
  key   [bold]{key}[/]   (tenant {ready.sql_user})
  SQL   {ready.sql_url}   user {ready.sql_user}   password {ready.sql_password}
  data  {launch.installation.data.absolute()}

[bold]curl[/]
  curl {ready.url}/v1/chat/completions -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\
    -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}'

[bold]Python[/]  (pip install openai)
  from openai import OpenAI
  client = OpenAI(base_url="{ready.url}/v1", api_key="{key}")
  messages = [{{"role": "user", "content": "Hello"}}]
  reply = client.chat.completions.create(model="{model}", messages=messages)
  print(reply.choices[0].message.content)

[bold]SQL[/]
  {program()} sql "SELECT started_at, request_model, cost_usd, input_text FROM calls_v1 ORDER BY started_at DESC LIMIT 10"

Stop with Ctrl-C: what is in flight ends first.""",
        markup=True,
    )

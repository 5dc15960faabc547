"""`leeway up`: everything on this machine, and how to call it."""

import asyncio
import json
import os
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.recipe import Make, own_job
from services.registry.app import prepare
from services.registry.settings import Settings as RegistrySettings
from services.settings import Installation
from services.supervisor import Ports, Supervisor, children, open_ports
from shared.clock import Clock, SystemClock
from shared.config import Config
from shared.config.loader import load_config
from shared.secrets_folder import Credentials, SecretsFolder

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


def up(
    ready_file: Annotated[
        Path | None, typer.Option(help="Write url, keys and pids there as JSON, when ready.")
    ] = None,
    *,
    check: Annotated[
        bool,
        typer.Option("--check", help="Validate the configuration, print the settings, and exit."),
    ] = False,
    recipe: Annotated[bool, typer.Option("--recipe", hidden=True)] = False,
) -> None:
    """Start Leeway here: the API, the SQL endpoint and every service behind them."""
    installation = Installation()
    config = load_config(installation.config_path, os.environ)
    if check:
        console.print_json(installation.model_dump_json())
        return
    ports = open_ports(installation)
    make = Make() if recipe else None
    with own_job() if make else nullcontext():
        tenant, api_key = asyncio.run(_prepare(installation, config))
        code = asyncio.run(_live(installation, ports, tenant, api_key, ready_file, make))
    raise typer.Exit(code)


async def _prepare(installation: Installation, config: Config) -> tuple[str, str]:
    """Bring the control plane up to date; the first tenant, and its first key."""
    secrets = SecretsFolder(installation.data)
    seeded = await prepare(RegistrySettings(), installation.data, config, secrets.pepper())
    secrets.remember(
        Credentials(keys={f"{tenant}/{name}": token for tenant, name, token in seeded.keys})
    )
    secrets.forget_all_but(seeded.tenants)
    for tenant in config.tenants:
        if tenant.sql_password:
            password = config.secret(tenant.sql_password)
            secrets.remember(Credentials(sql_passwords={tenant.tenant: password}))
        else:
            secrets.sql_password(tenant.tenant)
    first = config.tenants[0]
    name = f"{first.tenant}/{first.keys[0].name}" if first.keys else ""
    return first.tenant, secrets.credentials().keys.get(name, "")


async def _live(
    installation: Installation,
    ports: Ports,
    tenant: str,
    api_key: str,
    ready_file: Path | None,
    make: Make | None,
) -> int:
    host = "127.0.0.1" if installation.host in {"0.0.0.0", "::"} else installation.host  # noqa: S104
    told = False

    def on_ready(pids: Mapping[str, int]) -> None:
        nonlocal told
        ready = Ready(
            url=f"http://{host}:{ports.http_port}",
            sql_url=f"http://{host}:{ports.sql_port}",
            api_key=api_key,
            sql_user=tenant,
            sql_password=SecretsFolder(installation.data).sql_password(tenant),
            pids={"supervisor": os.getpid(), **pids},
        )
        if ready_file is not None:
            _write_whole(ready_file, json.dumps(asdict(ready)))
        if not told:
            _tell(ready, installation)
            told = True

    clock = SystemClock()
    family = children(installation, ports)
    supervisor = Supervisor(family, ports, installation, clock, console.print)
    watch = asyncio.create_task(_stop_after(make, supervisor, clock)) if make else None
    try:
        return await supervisor.run(on_ready)
    finally:
        if watch is not None:
            watch.cancel()


async def _stop_after(make: Make, supervisor: Supervisor, clock: Clock) -> None:
    await make.ended(clock)
    supervisor.stop()


def _write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees all of it or nothing; only its owner may read it."""
    draft = path.with_name(f".{path.name}.draft")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)


def _tell(ready: Ready, installation: Installation) -> None:
    key = ready.api_key or "YOUR_KEY"
    console.print(
        f"""[bold green]Leeway is ready.[/]

  API   [bold]{ready.url}/v1[/]
  key   [bold]{key}[/]   (tenant {ready.sql_user})
  SQL   {ready.sql_url}   user {ready.sql_user}   password {ready.sql_password}
  data  {installation.data.absolute()}

[bold]curl[/]
  curl {ready.url}/v1/chat/completions -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\
    -d '{{"model": "demo", "messages": [{{"role": "user", "content": "Hello"}}]}}'

[bold]Python[/]  (pip install openai)
  from openai import OpenAI
  client = OpenAI(base_url="{ready.url}/v1", api_key="{key}")
  messages = [{{"role": "user", "content": "Hello"}}]
  reply = client.chat.completions.create(model="demo", messages=messages)
  print(reply.choices[0].message.content)

[bold]SQL[/]
  leeway sql "SELECT started_at, request_model, cost_usd, input_text FROM calls_v1 ORDER BY started_at DESC LIMIT 10"

Stop with Ctrl-C: what is in flight ends first.""",
        markup=True,
    )

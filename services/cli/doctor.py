"""`leeway doctor`: whether the installation keeps its promises."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from services.cluster import cluster_of
from services.settings import Installation
from shared.clickhouse import ClickHouse
from shared.errors import Unavailable
from shared.lifecycle import ClickHouseAddress
from shared.log.accounting import Cell, Entry, LogSide, books, log_side
from shared.log.file import STORING_GROUP
from shared.log.kafka.books import cluster_side
from shared.secrets_folder import SecretsFolder

TRIES = 20
PAUSE_SECONDS = 0.5

app = typer.Typer(help="Check the installation.", no_args_is_help=True, add_completion=False)
console = Console()


@app.callback()
def doctor() -> None:
    """Check the installation."""


@app.command()
def accounting(
    *,
    url: Annotated[str, typer.Option(help="The SQL endpoint.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show that accepted = stored + quarantined + in flight, per topic, tenant and minute."""
    installation = Installation()
    secrets = SecretsFolder(installation.data)
    address = ClickHouseAddress(
        url or f"http://127.0.0.1:{installation.sql_port}",
        secrets.operator_user,
        secrets.operator_password(),
    )
    entries = asyncio.run(_settled(installation, address))
    _print(entries, as_json=as_json)
    typer.echo(_verdict(entries), err=True)
    if any(entry.missing for entry in entries):
        raise typer.Exit(1)


async def _settled(installation: Installation, address: ClickHouseAddress) -> list[Entry]:
    """The books once they stand still: while facts move, the two sides are read at two moments."""
    async with ClickHouse(address) as clickhouse:
        for _ in range(TRIES):
            log = await _log(installation)
            entries = books(log, await _stored(clickhouse, address.url))
            if not any(entry.missing or entry.in_flight for entry in entries):
                return entries
            await asyncio.sleep(PAUSE_SECONDS)
        return entries


async def _log(installation: Installation) -> LogSide:
    cluster = cluster_of(installation)
    if cluster is None:
        return await asyncio.to_thread(log_side, installation.log_folder)
    folders = [installation.log_folder, *installation.data.glob("processes/*/log")]
    return await cluster_side(cluster, folders, STORING_GROUP)


async def _stored(clickhouse: ClickHouse, url: str) -> Mapping[Cell, int]:
    try:
        rows = await clickhouse.query(
            "SELECT topic, tenant, toUnixTimestamp(minute) AS at, sum(facts) AS facts FROM leeway.stored GROUP BY ALL"
        )
    except Unavailable as fault:
        raise Unavailable(f"{url} does not answer: is `leeway up` running?") from fault
    return {(row["topic"], row["tenant"], int(row["at"]) // 60): int(row["facts"]) for row in rows}


def _print(entries: list[Entry], *, as_json: bool) -> None:
    if as_json:
        told = {
            "entries": [asdict(entry) for entry in entries],
            "quarantined": sum(entry.quarantined for entry in entries),
            "ok": not any(entry.missing for entry in entries),
        }
        print(json.dumps(told))
        return
    table = Table(
        "minute", "topic", "tenant", "accepted", "stored", "quarantined", "in flight", "missing"
    )
    for e in entries:
        table.add_row(
            f"{e.minute_at:%Y-%m-%d %H:%M}",
            e.topic,
            e.tenant,
            *(str(n) for n in (e.accepted, e.stored, e.quarantined, e.in_flight, e.missing)),
        )
    console.print(table)


def _verdict(entries: list[Entry]) -> str:
    """What the books say, in a sentence, with what somebody must look into."""
    missing = sum(abs(entry.missing) for entry in entries)
    quarantined = sum(entry.quarantined for entry in entries)
    sentence = f"The books do not add up by {missing}." if missing else "The books add up."
    if quarantined:
        why = "`leeway dlq list --group warehouse` says why"
        sentence += f" {quarantined} quarantined, in no table: {why}."
    return sentence

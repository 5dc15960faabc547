"""`leeway alerts`: try a channel before it is needed, and see what was told and whether it arrived."""

import asyncio
import os
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from services.alerting.channels.catalog import channels_of
from services.alerting.channels.channel import Channel
from services.alerting.domain.delivery import Delivered, DeliveryState
from services.alerting.domain.wording import where
from services.alerting.drill import drill
from services.alerting.settings import Settings
from services.alerting.store import AlertStore, Listed
from services.settings import Installation
from shared.clock import Clock, SystemClock
from shared.config.loader import load_config
from shared.database import Database
from shared.egress import Egress
from shared.errors import NotFound, Unavailable

app = typer.Typer(
    help="Try the channels of alerts, and list what was told.",
    no_args_is_help=True,
    add_completion=False,
)


@app.command()
def test(
    channel: Annotated[str, typer.Argument(help="The name of a channel in leeway.yaml.")],
) -> None:
    """Send a drill to a channel: an alert that fires, and its resolution."""
    config = load_config(Installation().config_path, os.environ)
    channels = channels_of(config, Egress(config.webhook_allow))
    if channel not in channels:
        known = ", ".join(sorted(channels))
        raise NotFound(f"There is no channel '{channel}': the channels are {known}.")
    asyncio.run(_drill(channel, channels[channel], SystemClock()))
    typer.echo(f"The channel {channel} took an alert and its resolution.")


async def _drill(name: str, channel: Channel, clock: Clock) -> None:
    for delivery in drill(name, clock.now()):
        outcome = await channel.send(delivery, clock.now())
        if not isinstance(outcome, Delivered):
            raise Unavailable(f"The channel {name} did not take it. {outcome.reason}")


@app.command("list")
def list_alerts(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20,
) -> None:
    """List the newest alerts, and what became of their deliveries."""
    url = Settings().url(Installation().data)
    Console().print(_table(asyncio.run(_newest(url, limit))))


async def _newest(url: str, limit: int) -> Sequence[Listed]:
    async with Database(url) as database:
        return await AlertStore(database).newest(limit)


def _table(alerts: Sequence[Listed]) -> Table:
    table = Table("changed (UTC)", "state", "severity", "rule", "where", "seen", "deliveries")
    for listed in alerts:
        alert = listed.alert
        table.add_row(
            f"{alert.changed_at:%Y-%m-%d %H:%M:%S}",
            alert.state,
            alert.severity,
            alert.rule,
            where(alert.place),
            str(alert.occurrences),
            _deliveries(listed),
        )
    return table


def _deliveries(listed: Listed) -> str:
    made = ((state, listed.deliveries.get(state, 0)) for state in DeliveryState)
    return ", ".join(f"{count} {state}" for state, count in made if count) or "-"

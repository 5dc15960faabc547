"""The verb `leeway doctor`: every check of the installation, or its books alone."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated

import typer

from services.cli.doctor import accounting as books
from services.cli.doctor.certificates import certificates
from services.cli.doctor.control import configuration, database, secrets
from services.cli.doctor.disk import data_folder, outboxes
from services.cli.doctor.everywhere import everywhere
from services.cli.doctor.findings import Finding, State, verdict
from services.cli.doctor.kafka import kafka
from services.cli.doctor.place import Place
from services.cli.doctor.processes import processes
from services.cli.doctor.sql import endpoint
from services.settings import Installation
from shared.clock import SystemClock

UrlOption = Annotated[str, typer.Option(help="The SQL endpoint.")]
PrometheusOption = Annotated[
    str, typer.Option(help="A Prometheus that scrapes every process, wherever it runs.")
]
HoursOption = Annotated[
    int | None,
    typer.Option(min=1, help="How far back; without it all, or in a cluster the last day."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(help="Check the installation.", add_completion=False)


@app.callback(invoke_without_command=True)
def doctor(
    context: typer.Context,
    url: UrlOption = "",
    prometheus: PrometheusOption = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """Check the installation: without a further word, everything."""
    if context.invoked_subcommand is None:
        check(url, prometheus, as_json=as_json)


@app.command()
def check(
    url: UrlOption = "", prometheus: PrometheusOption = "", *, as_json: JsonOption = False
) -> None:
    """Look at everything that can be looked at from here, and say what is wrong; exit 1 when something is."""
    findings = asyncio.run(_every_finding(Place(Installation(), url, prometheus)))
    if as_json:
        well = not any(finding.state is State.FAIL for finding in findings)
        print(json.dumps({"checks": [asdict(one) for one in findings], "ok": well}))
    else:
        for one in findings:
            print(f"{one.state:<5} {one.check:<14} {one.sentence}")
    typer.echo(verdict(findings), err=True)
    if any(finding.state is State.FAIL for finding in findings):
        raise typer.Exit(1)


@app.command()
def accounting(
    url: UrlOption = "", hours: HoursOption = None, *, as_json: JsonOption = False
) -> None:
    """Show that accepted = stored + quarantined + in flight, per topic, tenant and minute."""
    entries = asyncio.run(books.settled(Place(Installation(), url), hours))
    books.show(entries, as_json=as_json)
    typer.echo(books.verdict(entries), err=True)
    if any(entry.missing for entry in entries):
        raise typer.Exit(1)


async def _every_finding(place: Place) -> list[Finding]:
    return [finding async for finding in _findings(place)]


async def _findings(place: Place) -> AsyncIterator[Finding]:
    """From the ground up: where data lie, what is configured, who runs, what is asked."""
    clock = SystemClock()
    yield data_folder(place.data)
    yield configuration(place)
    yield secrets(place)
    for finding in [*outboxes(place, clock), *certificates(place, clock)]:
        yield finding
    async for finding in database(place, clock):
        yield finding
    async for finding in processes(place):
        yield finding
    async for finding in everywhere(place):
        yield finding
    if place.cluster is not None:
        async for finding in kafka(place.cluster, clock):
            yield finding
    async for finding in endpoint(place, clock):
        yield finding

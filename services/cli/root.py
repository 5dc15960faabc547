"""The verbs of the `leeway` command, and how it tells a person what went wrong."""

import logging
import sys

import typer

from services.cli import alerts, dlq, doctor, keys, tenants, topics
from services.cli.certs import certs
from services.cli.demo.command import demo
from services.cli.prepare import prepare
from services.cli.sql import sql
from services.cli.up import up
from shared.errors import Invalid, LeewayError

app = typer.Typer(
    help="Leeway: the whole life of a language model, served, recorded, judged, priced and watched.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(up)
app.command()(prepare)
app.command()(sql)
app.command()(certs)
app.command()(demo)
app.add_typer(doctor.app, name="doctor")
app.add_typer(topics.app, name="topics")
app.add_typer(dlq.app, name="dlq")
app.add_typer(keys.app, name="keys")
app.add_typer(tenants.app, name="tenants")
app.add_typer(alerts.app, name="alerts")


def run() -> None:
    """Run a verb; an expected error is its sentence on standard error, and exit code 1."""
    # What libraries log is for the files of processes: a verb tells a person by its errors.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        app()
    except LeewayError as error:
        print(f"leeway: {error.message}", file=sys.stderr)
        for fault in error.faults if isinstance(error, Invalid) else ():
            print(f"  {fault}", file=sys.stderr)
        sys.exit(1)

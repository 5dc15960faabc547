"""The verbs of the `leeway` command, and how it tells a person what went wrong."""

import importlib
import logging

import typer
from typer._click import Command, Context  # its own click: no other name for them is public
from typer.core import TyperGroup
from typer.main import get_command

from services.refusals import in_plain_words

VERBS = {
    "up": "services.cli.up:up",
    "prepare": "services.cli.prepare:prepare",
    "sql": "services.cli.sql:sql",
    "certs": "services.cli.certs:certs",
    "demo": "services.cli.demo.command:demo",
    "doctor": "services.cli.doctor.command:app",
    "topics": "services.cli.topics:app",
    "dlq": "services.cli.dlq:app",
    "keys": "services.cli.keys:app",
    "tenants": "services.cli.tenants:app",
    "alerts": "services.cli.alerts:app",
    "serving": "services.cli.serving:app",
}
"""Each verb's function, or its group of further verbs."""


class Verbs(TyperGroup):
    """Loads the module of the verb that was asked for, and no other: `leeway up` is not to wait for them."""

    def list_commands(self, ctx: Context) -> list[str]:  # noqa: ARG002
        return list(VERBS)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:  # noqa: ARG002
        if cmd_name not in VERBS:
            return None
        module, _, name = VERBS[cmd_name].partition(":")
        verb = getattr(importlib.import_module(module), name)
        if not isinstance(verb, typer.Typer):
            function, verb = verb, typer.Typer(add_completion=False)
            verb.command()(function)
        command = get_command(verb)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=Verbs, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False
)


@app.callback()
def leeway() -> None:
    """Leeway: the whole life of a language model, served, recorded, judged, priced and watched."""


def run() -> None:
    """Run a verb; an expected error is its sentence on standard error, and exit code 1."""
    # What libraries log is for the files of processes: a verb tells a person by its errors.
    logging.getLogger().addHandler(logging.NullHandler())
    with in_plain_words():
        app()

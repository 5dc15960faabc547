"""`python -m services NAME`: one process of a cluster by its name, or what the supervisor puts together."""

import argparse
import json
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from services.placement import (
    CLUSTER,
    SERVICES,
    Placement,
    build_apps,
    build_backbone,
    settings_kinds,
)
from services.process import main
from services.refusals import in_plain_words
from services.settings import Installation
from shared.clock import SystemClock
from shared.log.outbox import SqliteOutbox
from shared.settings import ServiceSettings, check_settings


def alone(service: str) -> None:
    """Run one service as a process of its own: what `python -m services.<name>` does."""
    given = _parser(f"python -m services.{service}").parse_args()
    run(
        lambda installation: Placement(_producer(installation, service), (service,)),
        check=given.check,
    )


def several() -> None:
    """Run what the command line puts together: what `python -m services` does."""
    parser = _parser("python -m services")
    parser.add_argument("name", help=f"one of {', '.join(CLUSTER)}, or any with --services")
    parser.add_argument("--services", help="the services in it, with commas")
    parser.add_argument("--listen-fd", type=int)
    parser.add_argument("--ready-fd", type=int)
    parser.add_argument("--lifeline-fd", type=int)
    parser.add_argument("--sql-port", type=int, default=8123)
    given = parser.parse_args()
    run(partial(_placement, parser, given), check=given.check)


def run(placed: Callable[[Installation], Placement], *, check: bool) -> None:
    """Run what is placed, or only check it; what is wrong with it ends it at once, each in a sentence."""
    with in_plain_words():
        installation = Installation()
        placement = placed(installation)
        kinds = settings_kinds(placement.services)
        check_settings(kinds)
        if check:
            _check(placement, installation)
            sys.stdout.write(_told([installation, *(kind() for kind in kinds)]))
            return
        main(placement, installation)


def _check(placement: Placement, installation: Installation) -> None:
    """Put together what a start would, over a folder that is thrown away; nothing is asked. Raises `Invalid`."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as folder:
        elsewhere = installation.model_copy(update={"data": Path(folder)})
        outbox = SqliteOutbox(elsewhere.log_folder / "check.db", clock)
        backbone = build_backbone(placement, elsewhere, outbox, clock)
        build_apps(placement.services, backbone.host)
    if installation.tls is not None:
        installation.tls.read(clock.now())


def _told(settings: Sequence[ServiceSettings]) -> str:
    """Every setting by the variable that gives it, with the value that holds; secrets are masked."""
    told = {
        f"{one.model_config.get('env_prefix', '')}{field}".upper(): value
        for one in settings
        for field, value in one.model_dump(mode="json").items()
    }
    return f"{json.dumps(told, indent=2)}\n"


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program, description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="validate, print the settings, and exit"
    )
    return parser


def _placement(
    parser: argparse.ArgumentParser, given: argparse.Namespace, installation: Installation
) -> Placement:
    services = tuple(given.services.split(",")) if given.services else CLUSTER.get(given.name, ())
    if not services or not set(SERVICES).issuperset(services):
        parser.error(f"there is no such process or service: {given.services or given.name}")
    return Placement(
        name=given.name if given.services else _producer(installation, given.name),
        services=services,
        listen_fd=given.listen_fd,
        ready_fd=given.ready_fd,
        lifeline_fd=given.lifeline_fd,
        sql_port=given.sql_port,
    )


def _producer(installation: Installation, process: str) -> str:
    """The name of this process's outbox: the one given, else that of its host, which a pod keeps."""
    return installation.name or f"{process}-{socket.gethostname()}"


if __name__ == "__main__":
    several()

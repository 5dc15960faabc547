"""`python -m services NAME`: one process of a cluster by its name, or what the supervisor puts together."""

import argparse
import socket
from collections.abc import Callable

from services.placement import CLUSTER, SERVICES, Placement, settings_kinds
from services.process import main
from services.refusals import in_plain_words
from services.settings import Installation
from shared.settings import check_settings


def alone(service: str) -> None:
    """Run one service as a process of its own: what `python -m services.<name>` does."""
    run(lambda installation: Placement(_producer(installation, service), (service,)))


def run(placed: Callable[[Installation], Placement]) -> None:
    """Run what is placed; wrong settings end it at once, each in a sentence."""
    with in_plain_words():
        installation = Installation()
        placement = placed(installation)
        check_settings(settings_kinds(placement.services))
    main(placement, installation)


def placement(installation: Installation) -> Placement:
    """What this process is, from its command line."""
    parser = argparse.ArgumentParser(prog="python -m services", description=__doc__)
    parser.add_argument("name", help=f"one of {', '.join(CLUSTER)}, or any with --services")
    parser.add_argument("--services", help="the services in it, with commas")
    parser.add_argument("--listen-fd", type=int)
    parser.add_argument("--ready-fd", type=int)
    parser.add_argument("--lifeline-fd", type=int)
    parser.add_argument("--sql-port", type=int, default=8123)
    given = parser.parse_args()
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
    run(placement)

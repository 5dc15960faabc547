"""`python -m services NAME --services a,b`: one process, as the supervisor starts it."""

import argparse

from services.process import Placement, main
from services.settings import Installation


def placement() -> Placement:
    """What this process is, from its command line."""
    parser = argparse.ArgumentParser(prog="python -m services", description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--services", required=True)
    parser.add_argument("--listen-fd", type=int)
    parser.add_argument("--ready-fd", type=int)
    parser.add_argument("--lifeline-fd", type=int)
    parser.add_argument("--sql-port", type=int, default=8123)
    given = parser.parse_args()
    return Placement(
        name=given.name,
        services=tuple(given.services.split(",")),
        listen_fd=given.listen_fd,
        ready_fd=given.ready_fd,
        lifeline_fd=given.lifeline_fd,
        sql_port=given.sql_port,
    )


if __name__ == "__main__":
    main(placement(), Installation())

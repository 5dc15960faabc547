"""A door as a process of its own: `python -m tests.chaos.door ...` accepts numbered calls and relays them to Kafka."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from shared.clock import SystemClock, pause
from shared.failpoints import Failpoints
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.relay import Relay
from shared.log.outbox import SqliteOutbox
from shared.log.record import Fact
from shared.logs import log_to
from shared.topics import INTERACTION_COMPLETED, USAGE_RATED
from tests.stores import a_usage, an_interaction

TENANTS = 6


def call(number: int) -> list[Fact]:
    """What one call leads to: an interaction and its usage, with the number in their ids."""
    tenant = f"tenant-{number % TENANTS}"
    interaction, usage = an_interaction(number, tenant), a_usage(number, tenant)
    return [
        Fact(
            INTERACTION_COMPLETED,
            tenant,
            interaction.interaction_id,
            interaction.SerializeToString(),
        ),
        Fact(USAGE_RATED, tenant, usage.usage_id, usage.SerializeToString()),
    ]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="of the outbox")
    parser.add_argument("kafka", help="its servers")
    parser.add_argument("prefix", help="of its topics")
    parser.add_argument("first", type=int, help="the number of the first call")
    parser.add_argument("last", type=int, help="the number after the last call's")
    parser.add_argument("--log", type=Path, required=True, help="the file to tell what happens")
    parser.add_argument("--fail-at", default="")
    return parser.parse_args()


async def main(given: argparse.Namespace) -> None:
    log_to(given.log)
    stop, clock = asyncio.Event(), SystemClock()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    cluster, failpoints = Cluster(given.kafka, given.prefix), Failpoints(given.fail_at)
    async with SqliteOutbox(given.folder / "edge-0.db", clock) as outbox:
        relay = Relay(given.folder, cluster, outbox, clock, failpoints)
        relaying = asyncio.create_task(relay.run(stop))
        sys.stdout.write("ready\n")
        for number in range(given.first, given.last):
            await outbox.append(call(number))
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()
            await pause(clock, 0.005, stop)
        await relaying


if __name__ == "__main__":
    asyncio.run(main(arguments()))

"""A member of a group as a process of its own, which a test can freeze: `python -m tests.kafka_member ...`."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Sequence

from shared.clock import SystemClock
from shared.log.consumer import Consumer, ConsumerLimits
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.group import KafkaGroup
from shared.log.record import Effect, Fact, Record
from shared.topics import INTERACTION_COMPLETED, USAGE_RATED

GROUP = "billing"
MEMBER_LIMITS = ConsumerLimits(max_records=100, max_age_seconds=0.02)


class Counting:
    """Counts what it handles, and makes a fact of each."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    async def handle(self, records: Sequence[Record]) -> Effect:
        self.seen.update(r.event_id for r in records)
        return Effect(facts=[Fact(USAGE_RATED, r.key, r.event_id, b"rated") for r in records])


async def run_member(cluster: Cluster, handler: Counting, stop: asyncio.Event) -> None:
    """Join, handle until `stop` is set, and leave."""
    topics, clock = [INTERACTION_COMPLETED], SystemClock()
    async with KafkaGroup(GROUP, topics, cluster, clock) as member:
        await Consumer(GROUP, topics, member, member, handler, MEMBER_LIMITS, clock).run(stop)


async def main(servers: str, prefix: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run_member(Cluster(servers, prefix), Counting(), stop)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

"""The warehouse's sink as a process of its own, without a store: `python -m tests.chaos.sink ...`."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from services.backbone.cluster import Member
from services.warehouse.settings import Settings
from services.warehouse.store import FACT_TABLES, GROUP, FactStore, read_schemas
from services.warehouse.stream import Sink
from shared.clickhouse import ClickHouse
from shared.clock import SystemClock
from shared.failpoints import Failpoints
from shared.lifecycle import ClickHouseAddress
from shared.log.consumer import Consumer, ConsumerLimits
from shared.log.folder import FolderLog
from shared.log.kafka.cluster import Cluster
from shared.log.outbox import SqliteOutbox
from shared.logs import log_to
from shared.topics import INTERACTION_COMPLETED, USAGE_RATED
from tests.stores import OPERATOR, PASSWORD

TOPICS = (INTERACTION_COMPLETED, USAGE_RATED)
LIMITS = ConsumerLimits(max_records=100, max_age_seconds=0.02, last_retry_seconds=1.0)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="of the store")
    parser.add_argument("--log", type=Path, required=True, help="the file to tell what happens")
    parser.add_argument("--kafka", default="", help="its servers; without them, the folder's log")
    parser.add_argument("--prefix", default="")
    parser.add_argument("--folder", type=Path, help="of the outboxes, where there is no Kafka")
    parser.add_argument("--fail-at", default="")
    parser.add_argument("--timeout", type=int, default=30, help="of a question to the store, in s")
    return parser.parse_args()


async def main(given: argparse.Namespace) -> None:
    log_to(given.log)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    clock, failpoints = SystemClock(), Failpoints(given.fail_at)
    address = ClickHouseAddress(given.url, OPERATOR, PASSWORD)
    async with ClickHouse(address, timeout_seconds=given.timeout) as clickhouse:
        store = FactStore(clickhouse, read_schemas(Settings().protos), failpoints)
        sink = Sink(store, {table.topic.name: table.name for table in FACT_TABLES}, clock)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        if given.kafka:
            cluster = Cluster(given.kafka, given.prefix)
            await Member(GROUP, TOPICS, cluster, sink, LIMITS, clock, failpoints).run(stop)
            return
        async with SqliteOutbox(given.folder / "core.db", clock) as outbox:
            log = FolderLog(given.folder)
            await Consumer(GROUP, TOPICS, log, outbox, sink, LIMITS, clock, failpoints).run(stop)


if __name__ == "__main__":
    asyncio.run(main(arguments()))

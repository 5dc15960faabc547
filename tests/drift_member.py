"""Drift in a group that Faust hosts, as a process of its own: `python -m tests.drift_member SERVERS PREFIX NAME FOLDER [FAIL_AT]`."""

import asyncio
import signal
import sys
from pathlib import Path

from services.backbone.tables.group import Instance
from services.backbone.tables.member import TableMember
from shared.clock import SystemClock
from shared.failpoints import Failpoints
from shared.log.consumer import ConsumerLimits
from shared.log.kafka.cluster import Cluster
from tests.drift import TOPICS, a_drift_handler

LIMITS = ConsumerLimits(max_records=40, max_age_seconds=0.02)


async def main(servers: str, prefix: str, name: str, folder: str, fail_at: str = "") -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await TableMember(
        "drift",
        TOPICS,
        Cluster(servers, prefix),
        a_drift_handler(),
        LIMITS,
        SystemClock(),
        Instance(name, Path(folder), LIMITS.max_records),
        stall_seconds=60,
        failpoints=Failpoints(fail_at),
    ).run(stop)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

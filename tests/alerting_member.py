"""Alerting in a cluster as a process of its own: `python -m tests.alerting_member SERVERS PREFIX DATABASE HOOK FOLDER`."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import SecretStr

from services.alerting.app import build
from services.alerting.settings import Settings
from services.backbone.cluster import Member
from shared.clock import SystemClock
from shared.config import ChannelConfig, Config
from shared.lifecycle import ClickHouseAddress, Group, Host, Running
from shared.live import LiveView
from shared.log.consumer import ConsumerLimits
from shared.log.kafka.cluster import Cluster
from shared.log.outbox import SqliteOutbox
from shared.log.record import Handler
from shared.topics import Topic

FEW_AT_ONCE = ConsumerLimits(max_records=7, max_age_seconds=0.02)
CLAIM_SECONDS = 5.0
STOP_SECONDS = 20.0


async def main(servers: str, prefix: str, database: str, hook: str, folder: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    cluster, clock = Cluster(servers, prefix), SystemClock()

    def group(name: str, topics: Sequence[Topic], handler: Handler, _: ConsumerLimits) -> Group:
        return Member(name, topics, cluster, handler, FEW_AT_ONCE, clock)

    config = Config(
        channels=(ChannelConfig("hook", "webhook", {"url": hook}),),
        webhook_allow=("127.0.0.0/8",),
    )
    settings = Settings(
        database_url=SecretStr(database),
        group_wait_seconds=0,
        round_seconds=0.05,
        claim_seconds=CLAIM_SECONDS,
    )
    async with SqliteOutbox(Path(folder) / "alerting.db", clock) as outbox:
        nowhere = ClickHouseAddress("", "", "")
        host = Host(Path(folder), config, clock, outbox, LiveView(b"p" * 32), nowhere, group)
        running = Running([build(settings, host)])
        await running.start()
        await stop.wait()
        await running.stop(STOP_SECONDS)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

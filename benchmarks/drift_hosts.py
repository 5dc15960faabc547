"""What it costs to host drift: the CPU time of a call over Kafka's log, and over Faust.

    python -m benchmarks.drift_hosts [--calls 5000]

A broker is started. Calls of five tenants, each with a vector, lie in Kafka before a host is opened; the CPU seconds
of this process from the opening to the last effect, client and threads included, are divided by the calls. Each host is
measured with a handler that does nothing, and with drift as it is tested (streams that learn fast). The last line is one JSON object.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from services.backbone.tables.group import Instance, TableGroup
from services.local.broker import Broker, a_broker
from shared.clock import SystemClock
from shared.failpoints import NONE
from shared.log.consumer import Consumer, ConsumerLimits
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.group import KafkaGroup
from shared.log.kafka.relay import Forwarder
from shared.log.record import Effect, Handler, Record
from shared.topics import DRIFT_DETECTED, DRIFT_MEASURED, INTERACTION_EMBEDDED
from tests.builders import a_fact, a_record, an_interaction_completed
from tests.drift import TOPICS, a_drift_handler
from tests.kafka import a_cluster

TENANTS = 5
LIMITS = ConsumerLimits()


class Nothing:
    """Handles records by doing nothing."""

    async def handle(self, records: Sequence[Record]) -> Effect:  # noqa: ARG002
        return Effect()


class Counted:
    """A handler until it has handled so many records."""

    def __init__(self, handler: Handler, calls: int) -> None:
        self._handler = handler
        self._left = calls
        self.stop = asyncio.Event()

    def restore(self, states: Mapping[str, bytes]) -> None:
        if not isinstance(self._handler, Nothing):
            self._handler.restore(states)  # type: ignore[attr-defined]

    async def handle(self, records: Sequence[Record]) -> Effect:
        effect = await self._handler.handle(records)
        self._left -= len(records)
        if self._left <= 0:
            self.stop.set()
        return effect


def calls(n: int) -> list[Record]:
    """Calls in turn of each tenant, of a kind that does not change."""
    rng = np.random.default_rng(7)
    records = []
    for i in range(n):
        call = an_interaction_completed(
            interaction_id=f"0190a6c8-0000-7000-8000-{i:012d}",
            tenant=f"tenant-{i % TENANTS}",
            embedding=rng.normal(size=16).tolist(),
        )
        records.append(a_record(a_fact(call), seq=i // TENANTS + 1, producer=f"edge-{i % TENANTS}"))
    return records


async def over_log(cluster: Cluster, counted: Counted) -> None:
    async with KafkaGroup("drift", TOPICS, cluster, SystemClock()) as group:
        await Consumer("drift", TOPICS, group, group, counted, LIMITS, SystemClock()).run(
            counted.stop
        )


async def over_faust(cluster: Cluster, counted: Counted) -> None:
    with tempfile.TemporaryDirectory() as folder:
        instance = Instance("bench", Path(folder), LIMITS.max_records)
        group = TableGroup("drift", TOPICS, cluster, instance, SystemClock(), NONE)
        await group.start()
        await Consumer("drift", TOPICS, group, group, counted, LIMITS, SystemClock()).run(
            counted.stop
        )
        await group.stop()


async def measured(broker: Broker, host: str, handler: Handler, n: int) -> float:
    """CPU microseconds of a call."""
    cluster = await a_cluster(
        broker,
        (*TOPICS, INTERACTION_EMBEDDED, DRIFT_DETECTED, DRIFT_MEASURED),
        ["drift"],
        ["drift"],
    )
    forwarder = Forwarder(cluster)
    await forwarder.handle(calls(n))
    await forwarder.close()
    counted = Counted(handler, n)
    begun = time.process_time()
    await (over_faust if host == "faust" else over_log)(cluster, counted)
    return (time.process_time() - begun) / n * 1e6


async def main(n: int) -> None:
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, a_broker(Path(folder) / "broker") as broker:
        for work, make in (("nothing", Nothing), ("drift", a_drift_handler)):
            for host in ("log", "faust"):
                figures[f"{work}_{host}_us"] = round(await measured(broker, host, make(), n), 1)
                print(f"{work} over {host}: {figures[f'{work}_{host}_us']} us of CPU a call")
            ratio = figures[f"{work}_faust_us"] / figures[f"{work}_log_us"]
            figures[f"{work}_ratio"] = round(ratio, 2)
    print(json.dumps(figures))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5_000)
    asyncio.run(main(parser.parse_args().calls))

"""A member of a group that Faust hosts, and the watchdog that ends its process when it goes on no more."""

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from aiokafka.errors import KafkaError

from services.backbone.tables.group import Instance, TableGroup
from shared.clock import Clock, pause
from shared.failpoints import NONE, Failpoints
from shared.log.consumer import Consumer, ConsumerLimits
from shared.log.kafka.cluster import Cluster
from shared.log.record import Handler
from shared.topics import Topic

log = structlog.get_logger()

STALLED = 75  # EX_TEMPFAIL: whoever started the process is to start it again
ROUND_SECONDS = 1.0
ANSWER_SECONDS = 15.0  # for the brokers to say whether anything waits


class TableMember:
    """A member of a group: it joins, and consumes until it is told to stop.

    Faust does not come back from everything. When it crashed, when it is in doubt what is stored, or when records wait and
    none was handled for `stall_seconds`, the process ends at once with the code 75: what it was about to do is in
    Kafka, and the supervisor starts it again.
    """

    def __init__(
        self,
        name: str,
        topics: Sequence[Topic],
        cluster: Cluster,
        handler: Handler,
        limits: ConsumerLimits,
        clock: Clock,
        instance: Instance,
        stall_seconds: float,
        failpoints: Failpoints = NONE,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        self._name = name
        self._group = TableGroup(name, topics, cluster, instance, clock, failpoints)
        self._consumer = Consumer(
            name, topics, self._group, self._group, handler, limits, clock, failpoints
        )
        self._stalls = StallWatch(self._group, clock, stall_seconds)
        self._end = end

    @property
    def idle(self) -> bool:
        """See `Group.idle`."""
        return self._consumer.idle

    @property
    def halted(self) -> bool:
        """See `Group.halted`."""
        return self._consumer.halted

    async def run(self, stop: asyncio.Event) -> None:
        """See `Group.run`."""
        ended = asyncio.Event()
        watching = asyncio.create_task(self._watch(ended))
        try:
            await self._group.start()
            await self._consumer.run(stop)
        finally:
            ended.set()
            await watching
            await self._group.stop()

    async def _watch(self, ended: asyncio.Event) -> None:
        reason = await self._stalls.run(ended)
        if reason:
            log.error("group.given_up", group=self._name, reason=reason)
            self._end(STALLED)


class Watched(Protocol):
    """Something that goes on, or does not."""

    @property
    def effects(self) -> int:
        """How many batches took effect."""
        ...

    @property
    def failure(self) -> BaseException | None:
        """Why it cannot go on, if it cannot."""
        ...

    async def behind(self) -> bool:
        """Whether there is anything to do."""
        ...


class StallWatch:
    """Says why a group does not go on: it failed, or something waits and nothing took effect for so long."""

    def __init__(self, watched: Watched, clock: Clock, stall_seconds: float) -> None:
        self._watched = watched
        self._clock = clock
        self._stall_seconds = stall_seconds

    async def run(self, stop: asyncio.Event) -> str:
        """Watch until `stop` is set, or until there is something to say."""
        effects, since = self._watched.effects, self._clock.monotonic()
        while not stop.is_set():
            if self._watched.failure is not None:
                return repr(self._watched.failure)
            if self._watched.effects != effects:
                effects, since = self._watched.effects, self._clock.monotonic()
            elif self._clock.monotonic() - since >= self._stall_seconds:
                if await self._behind():
                    return f"nothing was handled for {self._stall_seconds:g} s, and records wait"
                since = self._clock.monotonic()
            await pause(self._clock, ROUND_SECONDS, stop)
        return ""

    async def _behind(self) -> bool:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._watched.behind()
        except (KafkaError, TimeoutError) as error:
            log.warning("watchdog.no_answer", error=repr(error))
            return True

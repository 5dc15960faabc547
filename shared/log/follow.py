"""Following a topic from its beginning into a view in memory: how a process learns what is live."""

import asyncio
from collections.abc import Callable

import structlog

from shared.clock import Clock
from shared.log.folder import Log
from shared.log.record import Position, Record
from shared.topics import Topic

log = structlog.get_logger()


class Follower:
    """Applies every record of a topic to a view, from the first on, and goes on as they come.

    It keeps no position: a new process starts from the beginning. `caught_up` is set once everything
    that was there at the start has been applied.
    """

    def __init__(
        self,
        topic: Topic,
        source: Log,
        apply: Callable[[Record], None],
        clock: Clock,
        *,
        interval_seconds: float = 0.1,
    ) -> None:
        self._topic = topic
        self._source = source
        self._apply = apply
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._positions: dict[str, Position] = {}
        self.caught_up = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until `stop` is set."""
        while not stop.is_set():
            records, ranges = await self._source.poll([self._topic.name], self._positions, 1000)
            for record in records:
                if record.damage:
                    log.error("record.damaged", source=record.source, offset=record.offset)
                else:
                    self._apply(record)
            self._positions.update({source: Position(end) for source, (_, end) in ranges.items()})
            if not records:
                self.caught_up.set()
                await self._clock.sleep(self._interval_seconds)
        self._source.close()

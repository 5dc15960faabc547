"""How far behind a group is, told to whoever watches it: also, and above all, while it gets no further."""

from collections.abc import Mapping, Sequence

from shared.clock import Clock, micros
from shared.log.file import Ranges
from shared.log.folder import Log
from shared.log.record import Position, Record
from shared.metrics import CONSUMER_BEHIND, CONSUMER_LAG

INTERVAL_SECONDS = 1.0


class Lag:
    """Sets the gauges of a group, at most once in `INTERVAL_SECONDS`."""

    def __init__(self, group: str, source: Log, clock: Clock) -> None:
        self._group = group
        self._source = source
        self._clock = clock
        self._told_at = clock.monotonic() - INTERVAL_SECONDS
        self._stuck_at: float | None = None
        self._waiting = 0

    async def tell(self, records: Sequence[Record], positions: Mapping[str, Position]) -> None:
        """Say how old the batch was that brought the group to these positions, and what waits behind them."""
        self._stuck_at = None
        if self._is_due():
            self._set(self._age(records), await self._source.waiting(positions))

    async def tell_stuck(
        self,
        positions: Mapping[str, Position],
        records: Sequence[Record] = (),
        ranges: Ranges | None = None,
    ) -> None:
        """Say the same of a batch in hand that cannot be handled yet, or of a group that cannot begin.

        What waited waits on, whatever the log says: it may be what is not to be reached.
        """
        now = self._clock.monotonic()
        self._stuck_at = now if self._stuck_at is None else self._stuck_at
        if not self._is_due():
            return
        begun = {source: Position(start) for source, (start, _) in (ranges or {}).items()}
        waiting = await self._source.waiting({**begun, **positions})
        self._set(max(self._age(records), now - self._stuck_at), max(self._waiting, waiting))

    def _is_due(self) -> bool:
        now = self._clock.monotonic()
        if now - self._told_at < INTERVAL_SECONDS:
            return False
        self._told_at = now
        return True

    def _age(self, records: Sequence[Record]) -> float:
        """Of the oldest record, in seconds."""
        oldest = min((record.accepted_at_us for record in records), default=None)
        return 0.0 if oldest is None else max(0.0, (micros(self._clock.now()) - oldest) / 1e6)

    def _set(self, behind_seconds: float, waiting: int) -> None:
        self._waiting = waiting
        CONSUMER_BEHIND.labels(self._group).set(behind_seconds)
        CONSUMER_LAG.labels(self._group).set(waiting)

"""A member's share: the right to act for one partition number of a group, and what is written down of it."""

import asyncio
from collections.abc import Mapping

from aiokafka.errors import KafkaError
from faust.types.tables import TableT
from msgspec import msgpack

from services.backbone.tables.journal import Undertaking, read, written
from shared.failpoints import Failpoints, Step
from shared.log.kafka.making import Making
from shared.log.kafka.relay import Forwarder
from shared.log.kafka.stored import Stored
from shared.log.record import Effect, Position

WRITE_SECONDS = 60.0

_POSITION, _PART, _STATE = "position", "part/", "state/"


class InDoubt(Exception):
    """It is unknown what of an effect is written down: only a restart from the changelog can tell."""


class StateTable:
    """Blobs by partition number and name, in a Faust table."""

    def __init__(self, table: TableT[bytes, bytes]) -> None:
        self._table = table

    def read(self, partition: int, prefix: str = "") -> dict[str, bytes]:
        """The blobs of a partition number whose names begin so, by the rest of their names."""
        begin = _key(partition, prefix)
        return {
            key.removeprefix(begin).decode(): value
            for key, value in self._table.data.items()
            if key.startswith(begin)
        }

    def get(self, partition: int, name: str) -> bytes | None:
        """The blob of a partition number with this name."""
        return self._table.data.get(_key(partition, name))

    def keep(self, partitions: frozenset[int]) -> None:
        """Forget what belongs to others now; if it comes back, Faust restores it."""
        for key in [key for key in self._table.data if int(key.split(b"/")[0]) not in partitions]:
            del self._table.data[key]

    async def write(self, partition: int, blobs: Mapping[str, bytes | None]) -> None:
        """Store blobs, in this order; None removes one. Raises `InDoubt`."""
        keyed = {_key(partition, name): value for name, value in blobs.items()}
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await asyncio.gather(
                    *(
                        self._table.send_changelog(partition, *each, "raw", "raw")
                        for each in keyed.items()
                    )
                )
        except (KafkaError, TimeoutError) as error:
            raise InDoubt(f"Kafka did not say that it has the states: {error!r}.") from error
        for key, value in keyed.items():
            if value is None:
                self._table.data.pop(key, None)
            else:
                self._table.data[key] = value


def _key(partition: int, name: str) -> bytes:
    return b"%d/%s" % (partition, name.encode())


def stored_positions(table: StateTable, partition: int) -> Mapping[str, Position]:
    """Where a partition number stands, by what the table says now."""
    blob = table.get(partition, _POSITION)
    return {} if blob is None else _closing(blob)[2].positions


def _closing(blob: bytes) -> tuple[int, int, Stored]:
    """What closes a batch: its number, how many parts it has, and the position behind it."""
    batch, parts, stored = msgpack.decode(blob, type=tuple[int, int, bytes])
    return batch, parts, Stored.load(stored)


class Share:
    """Holds the position and the states of a partition number, and moves them on with what a batch leads to.

    An effect that is written down may not be done: `finish` does it, once more if need be.
    """

    def __init__(
        self,
        group: str,
        partition: int,
        table: StateTable,
        forwarder: Forwarder,
        failpoints: Failpoints,
    ) -> None:
        self.partition = partition
        self.stored = Stored()
        self._group = group
        self._table = table
        self._forwarder = forwarder
        self._failpoints = failpoints
        self._batch = 0
        self._undone: Undertaking | None = None
        self._recall()

    def states(self) -> dict[str, bytes]:
        """The group's states here, by their names."""
        return self._table.read(self.partition, _STATE)

    async def commit(self, positions: Mapping[str, Position], effect: Effect, now_us: int) -> None:
        """Let an effect and the positions behind it take place.

        Raises `InDoubt` when it is unknown whether it did, `Unavailable` when it did and is not done: `finish` does it.
        """
        making = Making(self._group, self.partition, self.stored)
        records = making.facts(effect.facts, now_us) + making.letters(effect.dead_letters)
        undertaking = Undertaking(effect.states, records)
        batch, after = self._batch + 1, self.stored.moved(positions, making.made)
        parts = written(batch, undertaking)
        position = msgpack.encode((batch, len(parts), after.dump()))
        # In one partition what is sent first is stored first: the position closes what stands before it.
        blobs = {f"{_PART}{n}": part for n, part in enumerate(parts)} | {_POSITION: position}
        await self._table.write(self.partition, blobs)
        self._failpoints.reach(self._group, Step.STORED)
        self._batch, self.stored, self._undone = batch, after, undertaking
        await self.finish()

    async def finish(self) -> None:
        """Do what is written down and not done. Raises `InDoubt`, `Unavailable`."""
        if self._undone is None:
            return
        states = {_STATE + name: blob for name, blob in self._undone.states.items()}
        await self._table.write(self.partition, states)
        await self._forwarder.handle(self._undone.records)
        self._failpoints.reach(self._group, Step.SENT)
        self._undone = None

    def _recall(self) -> None:
        """Take over what the table says."""
        known = self._table.read(self.partition)
        if _POSITION not in known:
            return
        self._batch, parts, self.stored = _closing(known[_POSITION])
        self._undone = read(self._batch, (known[f"{_PART}{n}"] for n in range(parts)))

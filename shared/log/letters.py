"""Dead letters: what groups gave up on, and playing it again to the group that did."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, Self

from shared.clock import Clock
from shared.errors import Invalid
from shared.log.folder import FolderLog
from shared.log.outbox import SqliteOutbox
from shared.log.record import DAMAGED, Fact, Record
from shared.topics import ALL, Topic

READ_RECORDS = 10_000

_OF_TOPIC = {topic.dead_letters: topic for topic in ALL}


@dataclass(frozen=True, slots=True)
class Letter:
    """A record that a group gave up on; `letter_id` names it on the command line, `size` is its value's in bytes."""

    letter_id: str
    record: Record
    size: int

    def without_value(self) -> Self:
        """The same, as lists show it: dead letters are kept for ever, and a value may be of 4 MiB."""
        return replace(self, record=replace(self.record, value=b""))

    @property
    def topic(self) -> Topic:
        """The topic that the record was in."""
        return _OF_TOPIC[self.record.topic]

    @property
    def group(self) -> str:
        """The group that gave up."""
        return self.record.headers.get("group", "")

    @property
    def reason(self) -> str:
        """Why."""
        return self.record.headers.get("reason", "")

    def fact(self) -> Fact:
        """The same bytes, once more, for the group that gave up alone.

        Raises `Invalid` for bytes that the disk has changed: they are no fact that anybody sent.
        """
        record = self.record
        if DAMAGED in record.headers:
            raise Invalid(f"The letter {self.letter_id} cannot be played again: {self.reason}.")
        return Fact(self.topic, record.key, record.event_id, record.value, only_for=self.group)


class Letters(Protocol):
    """The dead letters of a log."""

    async def read(self, *, values: bool = True) -> Sequence[Letter]:
        """All of them, oldest first within a source; for a list without their values."""
        ...

    async def replay(self, letters: Sequence[Letter]) -> None:
        """Put them back into their topics, for the groups that gave up; durable when it returns.

        The letter stays where it is: playing it twice is safe, as effects are idempotent on event ids.
        """
        ...


class FolderLetters:
    """The dead letters of the embedded log; what is played again goes through an outbox of its own."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    async def read(self, *, values: bool = True) -> Sequence[Letter]:
        """See `Letters.read`."""
        return await asyncio.to_thread(self._read, values=values)

    async def replay(self, letters: Sequence[Letter]) -> None:
        """See `Letters.replay`. Raises `Conflict` while another replay is running."""
        async with SqliteOutbox(self._folder / "replay.db", self._clock) as outbox:
            await outbox.append([letter.fact() for letter in letters])

    def _read(self, *, values: bool) -> list[Letter]:
        log = FolderLog(self._folder)
        try:
            found: list[Letter] = []
            for reader in log.readers():
                start, end = -1, 0
                while end > start:
                    start = end
                    records, end = reader.read([*_OF_TOPIC], start, READ_RECORDS)
                    read = (Letter(f"{r.producer}:{r.offset}", r, len(r.value)) for r in records)
                    found += read if values else (letter.without_value() for letter in read)
            return found
        finally:
            log.close()

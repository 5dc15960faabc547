"""What can be sent, and where to: one lane for each kind of item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum


class Lane(IntEnum):
    """An endpoint of the server that takes batches of one kind of item. The numbers are on disks."""

    INTERACTIONS = 1
    SPANS = 2
    FEEDBACK = 3

    @property
    def word(self) -> str:
        """The lane's name in the server's paths and bodies."""
        return self.name.lower()


@dataclass(frozen=True)
class Item:
    """One thing to send: JSON, with the id in it that makes sending it twice harmless."""

    lane: Lane
    payload: bytes


@dataclass(frozen=True)
class Batch:
    """Items of one lane that travel together."""

    lane: Lane
    payloads: Sequence[bytes]
    size: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", sum(map(len, self.payloads)))

    def __len__(self) -> int:
        return len(self.payloads)

    def items(self) -> list[Item]:
        """The batch's items, one by one."""
        return [Item(self.lane, payload) for payload in self.payloads]

    def halves(self) -> list[Batch]:
        """The batch as two."""
        middle = len(self.payloads) // 2
        return [Batch(self.lane, self.payloads[:middle]), Batch(self.lane, self.payloads[middle:])]


def batches(items: Sequence[Item], most_items: int, most_bytes: int) -> list[Batch]:
    """The items as batches within the bounds, lane by lane, in their order."""
    made: list[Batch] = []
    for lane in Lane:
        payloads: list[bytes] = []
        size = 0
        for item in items:
            if item.lane is not lane:
                continue
            if payloads and (len(payloads) == most_items or size + len(item.payload) > most_bytes):
                made.append(Batch(lane, payloads))
                payloads, size = [], 0
            payloads.append(item.payload)
            size += len(item.payload)
        if payloads:
            made.append(Batch(lane, payloads))
    return made

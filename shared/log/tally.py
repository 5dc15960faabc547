"""How many of the records that a group handled of late it gave up on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from shared.log.record import DeadLetter, Record


@dataclass(frozen=True, slots=True)
class Tally:
    """Dead letters in a row, and among the records of a window; it is moved on batch by batch.

    Once the window is full all that is in it is counted by half, so that what is long ago fades.

    >>> [Tally(records=1_300, dead=dead).too_many(1_000, 0.8) for dead in (999, 1_040, 1_041)]
    [False, False, True]
    """

    in_a_row: int = 0
    records: int = 0
    dead: int = 0

    def after(
        self, handled: Sequence[Record], letters: Sequence[DeadLetter], window_records: int
    ) -> Self:
        """The tally behind one batch more."""
        dead = {(letter.record.source, letter.record.offset) for letter in letters}
        in_a_row = self.in_a_row
        for record in handled if dead else handled[-1:]:
            in_a_row = in_a_row + 1 if (record.source, record.offset) in dead else 0
        part = 2 if self.records >= window_records else 1
        return type(self)(
            in_a_row, self.records // part + len(handled), self.dead // part + len(dead)
        )

    def too_many(self, most: int, share: float) -> bool:
        """Whether `most` stand in a row, or so many are in the window and more than a share of it."""
        return self.in_a_row >= most or (self.dead >= most and self.dead > share * self.records)

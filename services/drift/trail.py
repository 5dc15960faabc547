"""The trail of a stream: which interactions its last rows were, and when its rows came."""

from dataclasses import dataclass, field

TRAIL_ROWS = 96  # as many as the longest window that is explained by examples
_MOST_MARKS = 128


@dataclass(frozen=True, slots=True)
class Label:
    """What a row was: the interaction, its time, and as much of its text as may be quoted."""

    interaction_id: str
    at_us: int
    text: str


@dataclass(slots=True)
class Trail:
    """The labels of the last rows, and the times of rows ever further apart.

    `rows` counts every row of the stream's life. `marks` are (row, time) every `stride` rows; when
    there are too many, every other one goes.
    """

    rows: int = 0
    labels: list[Label] = field(default_factory=list)
    marks: list[tuple[int, int]] = field(default_factory=list)
    stride: int = 1

    def add(self, label: Label) -> None:
        """Append the next row."""
        if self.rows % self.stride == 0:
            self.marks.append((self.rows, label.at_us))
            if len(self.marks) > _MOST_MARKS:
                self.stride *= 2
                self.marks = [mark for mark in self.marks if mark[0] % self.stride == 0]
        self.labels = [*self.labels[1 - TRAIL_ROWS :], label]
        self.rows += 1

    def back(self, rows: int) -> Label | None:
        """The label of the row so many rows before the last, if it is remembered."""
        return self.labels[-1 - rows] if rows < len(self.labels) else None

    def time_back(self, rows: int) -> int:
        """When the row so many rows before the last came, or the marked row before it."""
        label = self.back(rows)
        if label is not None:
            return label.at_us
        wanted = self.rows - 1 - rows
        earlier = [at_us for row, at_us in self.marks if row <= wanted]
        return earlier[-1] if earlier else self.marks[0][1]

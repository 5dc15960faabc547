"""The port of a guard: what one is, what it finds, and what it is told of a call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from services.serving.domain.body import JsonObject

Options = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Mark:
    """A piece of a text, `text[start:end]`, and what it is: a lower-case word like `email`."""

    start: int
    end: int
    category: str
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a guard thinks of a text as a whole. `detail` may name rules and counts, never the text."""

    category: str
    score: float
    detail: str = ""


@runtime_checkable
class Marker(Protocol):
    """A guard that finds pieces of a text: they can be blocked, redacted or flagged, in a stream as well.

    It is built once with its options and used by many calls, on any thread. A text comes folded: its
    digits, spaces and dashes are ASCII, and nothing in it is invisible (`shared/pii/folding.py`).
    """

    def marks(self, text: str) -> Sequence[Mark]:
        """The pieces, in order; they may overlap."""
        ...

    def unfinished(self, text: str) -> int:
        """The place from which a piece may begin that this text ends in the middle of; its length for none.

        A stream holds back what is behind it, so it is the price of certainty: a guard that knows the
        longest piece it looks for says `max(0, len(text) - longest + 1)`.
        """
        ...


@runtime_checkable
class Judge(Protocol):
    """A guard that judges whole texts: they can be blocked or flagged. Of a stream it sees the whole at its end."""

    def judge(self, text: str) -> Opinion | None:
        """What it thinks; None when there is nothing to object to."""
        ...


@runtime_checkable
class Referee(Protocol):
    """A guard that judges a whole answer by what was asked."""

    def review(self, asked: JsonObject, answer: str) -> Opinion | None:
        """What it thinks of the text of an answer; None when there is nothing to object to."""
        ...


Guard = Marker | Judge | Referee


class Maker(Protocol):
    """Makes a guard of its options: a guard's class is one."""

    def __call__(self, options: Options) -> Guard:
        """Raises `Invalid` for options that are wrong."""
        ...

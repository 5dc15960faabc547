"""The script of the demo: who asks what, how it goes, and what drifts. The same seed writes the same script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import TypeVar

from services.cli.demo.texts import COMMENTS, INCIDENT, REFUSALS, SLOTS, TOPICS, Topic

T = TypeVar("T")

NORMAL_CALLS = 720
PLANTED_CALLS = 120

_OPEN_SESSIONS = 24
_MOST_TURNS = 4
_STREAMED = 0.2
_WITH_TOOL = 0.08
_FAILING = 0.02
_FAILURES = (
    500,
    502,
    504,
)  # of one call: a 429 or a 503 speaks for its upstream, which is then left alone
_RATED = 0.6
_LIKED = 0.92
_DISLIKED_WHEN_WORSE = 0.9
_COMMENTED = 0.25
_MEDIAN_INPUT_TOKENS, _MEDIAN_OUTPUT_TOKENS = 600, 120


class Plant(StrEnum):
    """A drift that is planted on purpose."""

    TOPIC = "a new topic"
    ANSWERS = "worse answers"
    COST = "a cost jump"


@dataclass(frozen=True, slots=True)
class Turn:
    """A question that was answered before in the same session."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the script, and what its user thinks of the answer.

    `answer` is what the model will say, None where it calls the tool that it is offered; `failure`
    the status that it fails with, or 0. `thumb` is up, down or empty.
    """

    session: str
    user: str
    history: tuple[Turn, ...]
    question: str
    answer: str | None
    input_tokens: int
    output_tokens: int
    streaming: bool
    failure: int
    thumb: str
    comment: str


@dataclass(frozen=True, slots=True)
class Scene:
    """A stretch of calls, in order, and what is planted in it."""

    plant: Plant | None
    calls: Sequence[Call]


@dataclass(frozen=True, slots=True)
class _Ways:
    """How calls differ from normal ones: shares of calls, and a factor on what the model reads."""

    incident: float = 0.0
    worse: float = 0.0
    input_times: int = 1


@dataclass(frozen=True, slots=True)
class _Session:
    name: str
    user: str
    history: tuple[Turn, ...] = ()


def script(seed: int) -> Sequence[Scene]:
    """Normal traffic, long enough to learn from, and after it one scene for each plant."""
    author = _Author(Random(seed))  # noqa: S311 (a script, no secret)
    return (
        Scene(None, author.calls(NORMAL_CALLS, _Ways())),
        Scene(Plant.TOPIC, author.calls(PLANTED_CALLS, _Ways(incident=0.5))),
        Scene(Plant.ANSWERS, author.calls(PLANTED_CALLS, _Ways(worse=0.5))),
        Scene(Plant.COST, author.calls(PLANTED_CALLS, _Ways(input_times=100))),
    )


class _Author:
    """Writes calls of customers whose sessions run side by side."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._opened = 0
        self._sessions: list[_Session] = []

    def calls(self, count: int, ways: _Ways) -> Sequence[Call]:
        return [self._call(ways) for _ in range(count)]

    def _call(self, ways: _Ways) -> Call:
        topic = INCIDENT if self._happens(ways.incident) else self._of(tuple(TOPICS.values()))
        session, slots = self._session(), self._slots()
        worse = self._happens(ways.worse)
        call = Call(
            session=session.name,
            user=session.user,
            history=session.history,
            question=self._of(topic.questions).format_map(slots),
            answer=self._answer(topic, slots, worse=worse),
            input_tokens=self._around(_MEDIAN_INPUT_TOKENS) * ways.input_times,
            output_tokens=self._around(_MEDIAN_OUTPUT_TOKENS),
            streaming=self._happens(_STREAMED),
            failure=self._of(_FAILURES) if self._happens(_FAILING) else 0,
            thumb="",
            comment="",
        )
        self._go_on(session, call)
        return (
            call
            if call.failure
            else self._rated(call, _DISLIKED_WHEN_WORSE if worse else 1 - _LIKED)
        )

    def _answer(self, topic: Topic, slots: Mapping[str, str], *, worse: bool) -> str | None:
        if worse:
            return self._of(REFUSALS)
        return None if self._happens(_WITH_TOOL) else self._of(topic.answers).format_map(slots)

    def _rated(self, call: Call, disliked: float) -> Call:
        if not self._happens(_RATED):
            return call
        if not self._happens(disliked):
            return replace(call, thumb="up")
        comment = self._of(COMMENTS) if self._happens(_COMMENTED) else ""
        return replace(call, thumb="down", comment=comment)

    def _session(self) -> _Session:
        """One of the open sessions, taken out of them, or a new one."""
        if len(self._sessions) >= _OPEN_SESSIONS:
            return self._sessions.pop(self._random.randrange(len(self._sessions)))
        self._opened += 1
        return _Session(f"visit-{self._opened:04}", f"customer-{self._random.randrange(400):03}")

    def _go_on(self, session: _Session, call: Call) -> None:
        """Keep the session open for another turn, for as long as it has had few."""
        if len(session.history) < _MOST_TURNS - 1 and self._happens(0.6):
            turns = (Turn(call.question, call.answer),) if call.answer and not call.failure else ()
            self._sessions.append(replace(session, history=(*session.history, *turns)))

    def _slots(self) -> Mapping[str, str]:
        filled = {name: self._of(values) for name, values in SLOTS.items()}
        return {**filled, "order": str(self._random.randrange(10_000, 100_000))}

    def _around(self, median: int) -> int:
        return round(median * self._random.lognormvariate(0, 0.4))

    def _happens(self, share: float) -> bool:
        return self._random.random() < share

    def _of(self, values: Sequence[T]) -> T:
        return self._random.choice(values)

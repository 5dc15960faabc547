"""What guards say of a call: verdicts, which tell what kind of thing was found and where, and never the thing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from shared.errors import Invalid

Stage = Literal["input", "output"]
Action = Literal["block", "redact", "flag"]

MAX_EXPLANATION_CHARS = 500


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one guard found in what was asked (`input`) or answered (`output`), and what was done about it.

    `score` is how sure it is, 0 to 1. `explanation` counts and names places; nothing of a text is in it.
    """

    guard: str
    stage: Stage
    action: Action
    category: str
    score: float
    explanation: str


class Blocked(Invalid):
    """A guard that blocks found something: the call is refused, or its answer is kept from the client."""

    def __init__(self, verdicts: Sequence[Verdict]) -> None:
        self.verdicts = tuple(verdicts)
        stage = blocking(verdicts)[0].stage
        what = "request" if stage == "input" else "answer"
        super().__init__(
            f"The {what} was blocked by a guardrail: {named(verdicts)}.",
            param=None,
            code="guardrail_blocked",
        )


def blocking(verdicts: Sequence[Verdict]) -> Sequence[Verdict]:
    """The verdicts that block."""
    return [verdict for verdict in verdicts if verdict.action == "block"]


def named(verdicts: Sequence[Verdict]) -> str:
    """The guards that block and what they block for, as clients are told.

    >>> named([Verdict("pii", "input", "block", "email", 1.0, "1 in messages[0].content")])
    'pii (email)'
    """
    categories: dict[str, dict[str, None]] = {}
    for verdict in blocking(verdicts):
        categories.setdefault(verdict.guard, {})[verdict.category] = None
    return ", ".join(f"{guard} ({', '.join(found)})" for guard, found in categories.items())


def merged(verdicts: Sequence[Verdict]) -> Sequence[Verdict]:
    """One verdict for each guard, stage, action and category: the surest, with the places of all."""
    kept: dict[tuple[str, str, str, str], Verdict] = {}
    for one in verdicts:
        at = (one.guard, one.stage, one.action, one.category)
        first = kept.get(at)
        kept[at] = one if first is None else _both(first, one)
    return list(kept.values())


def _both(first: Verdict, second: Verdict) -> Verdict:
    explanation = first.explanation
    if second.explanation not in explanation.split("; "):
        explanation = f"{explanation}; {second.explanation}"[:MAX_EXPLANATION_CHARS]
    return replace(first, score=max(first.score, second.score), explanation=explanation)

"""What is judged, what a judgement is, who judges, and which interactions are seen."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shared.errors import Invalid

TEXT_KINDS = frozenset({"chat", "completion", "response", "message"})
READABLE_POLICIES = frozenset({"full", "redacted"})


@dataclass(frozen=True, slots=True)
class Interaction:
    """An answer that ended well, and what was asked. `redacted` texts hold kinds in brackets.

    `input_messages` is the JSON of everything the model was told; `options` the rest of the request.
    Many applications record a call without its texts: an empty text was answered only if it is
    `text_known`, and is a text that nobody recorded otherwise.
    """

    interaction_id: str
    output_text: str
    input_text: str = ""
    input_messages: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    finish_reasons: Sequence[str] = ()
    output_tokens: int | None = None
    calls_tools: bool = False
    text_known: bool = False
    redacted: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an evaluator found. `value` is in [0, 1]; `explanation` never quotes the texts."""

    value: float
    label: str
    passed: bool
    explanation: str = ""


class Evaluator(Protocol):
    """One question about an answer. The same interaction always gets the same judgement.

    A change of the rules is a change of `version`: then the interaction may be judged again.
    """

    @property
    def name(self) -> str:
        """The name of the question, in snake case."""
        ...

    @property
    def version(self) -> str:
        """The version of its rules."""
        ...

    def judge(self, interaction: Interaction) -> Judgement | None:
        """The judgement, or None to abstain: the question does not arise, or cannot be answered.

        A text that was not recorded answers no question about the text.
        It never raises, whatever is in the texts, and its work is linear in their length.
        """
        ...


def is_sampled(interaction_id: str, evaluator: str, rate: float) -> bool:
    """Whether an evaluator sees an interaction: by a hash, so that a repetition decides the same.

    >>> is_sampled("0190a6c8-0000-7000-8000-000000000001", "refusal", 1.0)
    True
    """
    digest = hashlib.sha256(f"{evaluator}\x1f{interaction_id}".encode()).digest()
    return int.from_bytes(digest[:8]) < rate * 2**64


def rates_of(
    evaluators: Sequence[Evaluator], rates: Mapping[str, float], default_rate: float
) -> Mapping[str, float]:
    """The rate of each evaluator. Raises `Invalid` for a rate of none of them."""
    names = [evaluator.name for evaluator in evaluators]
    unknown = sorted(set(rates) - set(names))
    if unknown:
        raise Invalid(
            f"There is no evaluator {', '.join(unknown)}: expected {', '.join(sorted(names))}."
        )
    return {name: rates.get(name, default_rate) for name in names}

"""What a check found: well, worth a look, or broken, in one sentence that says what to do."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    check: str
    state: State
    sentence: str


def ok(check: str, sentence: str) -> Finding:
    """Nothing is to be done."""
    return Finding(check, State.OK, sentence)


def warn(check: str, sentence: str) -> Finding:
    """It works, and somebody should look."""
    return Finding(check, State.WARN, sentence)


def fail(check: str, sentence: str) -> Finding:
    """Something does not work."""
    return Finding(check, State.FAIL, sentence)


def verdict(findings: Iterable[Finding]) -> str:
    """The report in one sentence."""
    states = [finding.state for finding in findings]
    broken, doubtful = states.count(State.FAIL), states.count(State.WARN)
    if broken:
        return f"{broken} of {len(states)} checks failed."
    if doubtful:
        return f"It works; {doubtful} of {len(states)} checks want a look."
    return f"All {len(states)} checks are well."

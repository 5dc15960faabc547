"""One look at some texts: what the guards of one direction find in them, and the texts with it replaced."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from services.serving.domain.body import JsonObject
from services.serving.domain.verdict import MAX_EXPLANATION_CHARS, Stage, Verdict
from services.serving.guards.port import Mark, Marker, Opinion
from services.serving.guards.rail import Rail
from services.serving.guards.rails import Rails
from services.serving.guards.redaction import Edit, edited, in_json, placeholder, without_overlap
from services.serving.guards.utterances import Utterance
from shared.pii.folding import Folded, fold, fold_json

# What of a text is judged as a whole; pieces are looked for in all of it.
MAX_JUDGED_CHARS = 1_000_000
MAX_PLACES = 8


@dataclass(frozen=True, slots=True)
class Found:
    """What one guard marked in a text, where it lies in the text itself."""

    rail: Rail
    start: int
    end: int
    category: str
    score: float


@dataclass(slots=True)
class Findings:
    """Everything that was found, by guard and category, with the places where."""

    stage: Stage
    _counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _scores: dict[tuple[str, str, str], float] = field(default_factory=dict)
    _places: dict[tuple[str, str, str], dict[str, None]] = field(default_factory=dict)
    _opinions: list[Verdict] = field(default_factory=list)

    def note(self, found: Iterable[Found], place: str) -> None:
        """Take up what was found at a place."""
        for one in found:
            at = (one.rail.kind, one.rail.action, one.category)
            self._counts[at] += 1
            self._scores[at] = max(one.score, self._scores.get(at, 0.0))
            self._places.setdefault(at, {})[place] = None

    def object(self, rail: Rail, opinion: Opinion, place: str) -> None:
        """Take up what a guard thinks of a whole text."""
        told = f"{opinion.detail} in {place}" if opinion.detail else f"in {place}"
        self._opinions.append(
            Verdict(
                rail.kind,
                self.stage,
                rail.action,
                opinion.category,
                opinion.score,
                told[:MAX_EXPLANATION_CHARS],
            )
        )

    def join(self, others: "Findings") -> None:
        """Take up what others found at other places."""
        self._counts.update(others._counts)
        for at, score in others._scores.items():
            self._scores[at] = max(score, self._scores.get(at, 0.0))
            self._places.setdefault(at, {}).update(others._places[at])
        self._opinions += others._opinions

    def repaired(self) -> "Findings":
        """The objections to a whole answer that was asked for again: what it lacked is told, and no more."""
        told = [replace(one, action="flag", category="repaired") for one in self._opinions]
        return Findings(self.stage, _opinions=[one for one in told if one.guard == "json_schema"])

    def verdicts(self) -> Sequence[Verdict]:
        """A verdict for each guard, action and category."""
        counted = [
            Verdict(kind, self.stage, action, category, self._scores[at], self._told(at))  # type: ignore[arg-type]
            for at in self._counts
            for kind, action, category in [at]
        ]
        return [*counted, *self._opinions]

    def _told(self, at: tuple[str, str, str]) -> str:
        places = list(self._places[at])
        more = len(places) - MAX_PLACES
        named = ", ".join(places[:MAX_PLACES]) + (f" and {more} more" if more > 0 else "")
        return f"{self._counts[at]} in {named}"[:MAX_EXPLANATION_CHARS]


def found_in(folded: Folded, markers: Iterable[tuple[Rail, Marker]]) -> Sequence[Found]:
    """What guards mark in a folded text, where it lies in the original."""
    return [
        _found(rail, mark, folded) for rail, marker in markers for mark in marker.marks(folded.text)
    ]


def redactions(found: Iterable[Found]) -> Sequence[Edit]:
    """The edits that take out what is to be redacted."""
    edits = (
        Edit(one.start, one.end, placeholder(one.category))
        for one in found
        if one.rail.action == "redact"
    )
    return without_overlap(edits)


def inspected(
    utterances: Iterable[Utterance], rails: Rails, findings: Findings
) -> Mapping[Utterance, str]:
    """The texts that change, as they become; what was found is noted in `findings`."""
    changed: dict[Utterance, str] = {}
    for one in utterances:
        markers = [(rail, marker) for rail, marker in rails.markers if one.voice in rail.voices]
        if not markers:
            continue
        found = found_in(folded(one), markers)
        if not found:
            continue
        findings.note(found, one.place)
        edits = redactions(found)
        if edits:
            edits = in_json(one.text, edits) if one.encoded else edits
            changed[one] = edited(one.text, edits)
    return changed


def judged(utterances: Sequence[Utterance], rails: Rails, findings: Findings) -> None:
    """Let guards judge each text as a whole."""
    for rail, judge in rails.judges:
        heard = [one for one in utterances if one.voice in rail.voices]
        for one in heard[-1:] if rail.latest else heard:
            opinion = judge.judge(folded(one).text[:MAX_JUDGED_CHARS])
            if opinion is not None:
                findings.object(rail, opinion, one.place)


def reviewed(asked: JsonObject, answer: str, rails: Rails, findings: Findings) -> None:
    """Let guards judge a whole answer by what was asked."""
    for rail, referee in rails.referees:
        opinion = referee.review(asked, answer)
        if opinion is not None:
            findings.object(rail, opinion, "the answer")


def folded(utterance: Utterance) -> Folded:
    """The text in a plainer alphabet; of JSON, with what its strings escape written out."""
    return fold_json(utterance.text) if utterance.encoded else fold(utterance.text)


def _found(rail: Rail, mark: Mark, text: Folded) -> Found:
    start, end = text.span(mark.start, mark.end)
    return Found(rail, start, end, mark.category, mark.score)

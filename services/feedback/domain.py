"""Feedback: eight kinds, each with what it must say, read whole with every fault at once."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from shared.fields import Fields

THUMBS = ("up", "down")
IMPLICIT = ("regenerated", "copied", "abandoned")
FIXED_LABELS = {"thumbs": THUMBS, "implicit": IMPLICIT}
RATERS = ("user", "expert", "program")
MAX_TEXT = 65_536
MAX_RANKED = 100
MAX_POSITION = 1_000
UNIT = (0.0, 1.0)  # the range of a score that names none: a judge's, a probability, a share


@dataclass(frozen=True, slots=True)
class Rater:
    """Who says it: `kind` is user, expert or program."""

    rater_id: str = ""
    kind: str = "user"


@dataclass(frozen=True, slots=True)
class Preference:
    """One answer chosen over another, and where each was shown: 0 is first."""

    chosen: str
    rejected: str
    chosen_position: int | None = None
    rejected_position: int | None = None


@dataclass(frozen=True, slots=True)
class Feedback:
    """One piece of feedback. `about_at` is when it was true, `observed_at` when it was learnt."""

    feedback_id: str
    kind: str
    observed_at: datetime
    about_at: datetime | None = None
    interaction_id: str = ""
    session_id: str = ""
    name: str = ""
    value: float | None = None
    scale: tuple[float, float] | None = None
    label: str = ""
    text: str = ""
    ranking: Sequence[str] = ()
    preference: Preference | None = None
    rater: Rater = Rater()
    source: str = ""
    supersedes: str = ""
    environment: str = ""  # empty: the key's
    tags: Mapping[str, str] = field(default_factory=dict)


def read_feedback(item: Fields, *, fresh_id: str, now: datetime) -> Feedback:
    """The feedback in an item of POST /v1/feedback; it is void when `item` has faults.

    `fresh_id` is its id when the item brings none; without `observed_at` it was learnt now.
    """
    kind = item.choice("kind", tuple(_KINDS))
    feedback = Feedback(
        feedback_id=item.uuid("id") or fresh_id,
        kind=kind,
        observed_at=item.time("observed_at") or now,
        about_at=item.time("about_at"),
        interaction_id=item.uuid("interaction_id"),
        session_id=item.text("session_id"),
        name=item.text("name"),
        value=item.number("value"),
        scale=_scale(item, kind),
        label=item.text("label"),
        text=item.text("text", limit=MAX_TEXT),
        ranking=item.texts("ranking", at_most=MAX_RANKED),
        preference=_preference(item),
        rater=_rater(item),
        source=item.text("source"),
        supersedes=item.uuid("supersedes"),
        environment=item.text("environment"),
        tags=item.tags("tags"),
    )
    _check_subject(feedback, item)
    if feedback.supersedes and feedback.supersedes == feedback.feedback_id:
        item.fault("supersedes", "is the feedback itself")
    if kind:
        _KINDS[kind](feedback, item)
    return feedback


def _scale(item: Fields, kind: str) -> tuple[float, float] | None:
    """The range in which a value lies; that of a score which has none is `UNIT`."""
    bounds = item.numbers("range", at_most=2)
    if not item.has("range"):
        return UNIT if kind == "score" else None
    if len(bounds) != 2 or not bounds[0] < bounds[1]:
        item.fault("range", "expected [lowest, highest] with lowest < highest")
        return None
    return bounds[0], bounds[1]


def _preference(item: Fields) -> Preference | None:
    chosen, rejected = item.text("chosen"), item.text("rejected")
    chosen_position = item.count("chosen_position", high=MAX_POSITION)
    rejected_position = item.count("rejected_position", high=MAX_POSITION)
    if not (chosen or rejected):
        return None
    return Preference(chosen, rejected, chosen_position, rejected_position)


def _rater(item: Fields) -> Rater:
    rater = item.child("rater")
    return Rater(rater.text("id"), rater.choice("kind", RATERS, "user"))


def _check_subject(feedback: Feedback, item: Fields) -> None:
    # A ranking and a preference name what they are about themselves.
    about = feedback.interaction_id or feedback.session_id
    named = feedback.kind in {"ranking", "preference"}
    if not (about or named or item.has("interaction_id") or item.has("session_id")):
        item.fault("interaction_id", "is required, or session_id")


def _check_label(feedback: Feedback, item: Fields) -> None:
    labels = FIXED_LABELS[feedback.kind]
    if feedback.label not in labels:
        item.fault("label", f"expected one of {', '.join(labels)}")


def _check_score(feedback: Feedback, item: Fields) -> None:
    _require(item, "name", feedback.name)
    if not item.has("value"):
        item.fault("value", "is required")
    low, high = feedback.scale or (-math.inf, math.inf)
    if feedback.value is None or low <= feedback.value <= high:
        return
    if not item.has("range"):
        item.fault("range", f"is required for a value outside of 0 to 1, got {feedback.value:g}")
        return
    item.fault("value", f"expected a number from {low:g} to {high:g}, got {feedback.value:g}")


def _check_text(feedback: Feedback, item: Fields) -> None:
    if not feedback.text.strip() and (feedback.text or not item.has("text")):
        item.fault("text", "is required")


def _check_ranking(feedback: Feedback, item: Fields) -> None:
    ranking = feedback.ranking
    if len(ranking) < 2:
        item.fault("ranking", "expected at least two ids, best first")
    elif len(set(ranking)) != len(ranking):
        item.fault("ranking", "names an id twice")


def _check_preference(feedback: Feedback, item: Fields) -> None:
    preference = feedback.preference or Preference("", "")
    _require(item, "chosen", preference.chosen)
    _require(item, "rejected", preference.rejected)
    if preference.chosen and preference.chosen == preference.rejected:
        item.fault("rejected", "is the same as chosen")
    positions = (preference.chosen_position, preference.rejected_position)
    if (positions[0] is None) != (positions[1] is None):
        item.fault("chosen_position", "and rejected_position are given together or not at all")
    elif positions[0] is not None and positions[0] == positions[1]:
        item.fault("rejected_position", "is the same as chosen_position")


def _check_outcome(feedback: Feedback, item: Fields) -> None:
    _require(item, "name", feedback.name)
    _require(item, "label", feedback.label)
    if not (item.has("about_at") or item.has("observed_at")):
        item.fault("about_at", "is required, or observed_at")
    elif feedback.about_at is not None and feedback.about_at > feedback.observed_at:
        item.fault("about_at", "lies after observed_at")


def _require(item: Fields, name: str, value: str) -> None:
    if not value and not item.has(name):
        item.fault(name, "is required")


_KINDS: Mapping[str, Callable[[Feedback, Fields], None]] = {
    "thumbs": _check_label,
    "score": _check_score,
    "comment": _check_text,
    "correction": _check_text,
    "ranking": _check_ranking,
    "preference": _check_preference,
    "implicit": _check_label,
    "outcome": _check_outcome,
}

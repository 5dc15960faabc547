"""Signals: what each fact says that a detector can watch, and of which stream it is a row."""

from dataclasses import dataclass

from leeway_pb.v1.feedback_pb2 import FeedbackReceived
from leeway_pb.v1.interaction_pb2 import InteractionCompleted
from leeway_pb.v1.score_pb2 import InteractionScored

from services.drift.domain import Observation, StreamKey
from services.drift.whereabouts import Place, Subject
from shared.fields import MAX_COORDINATE

UNKNOWN_MODEL = "unknown"
CLIENT = "client"  # the embedder's name of vectors that came with the interaction
QUOTED_CHARACTERS = 160

_QUOTABLE = ("full", "redacted", "")
_FAILED = {
    "ok": 0.0,
    "error": 1.0,
    "interrupted": 1.0,
}  # a cancelled call says nothing of the model
_REFUSED_LABELS = ("refusal", "refused")
_THUMBS = {"up": 0.0, "down": 1.0}


@dataclass(frozen=True, slots=True)
class Asked:
    """An interaction's input: its own vector, or else a text to embed; both empty when it has neither."""

    vector: tuple[float, ...]
    text: str


def asked(fact: InteractionCompleted) -> Asked:
    """What to watch of an interaction's input. A text under the policies hash and none is not one."""
    vector = tuple(fact.embedding)
    # NaN lies between no two numbers.
    usable = len(vector) > 1 and all(-MAX_COORDINATE <= x <= MAX_COORDINATE for x in vector)
    text = fact.input_text if fact.content_policy in _QUOTABLE else ""
    return Asked(vector if usable else (), text.strip())


def failure(fact: InteractionCompleted, event_id: str) -> Observation | None:
    """Whether the call failed, as a row of the model's error rate."""
    failed = _FAILED.get(fact.status)
    if failed is None:
        return None
    return Observation(
        key=StreamKey(fact.tenant, fact.request_model, fact.environment, "error_rate"),
        value=failed,
        event_id=event_id,
        project=fact.project,
        interaction_id=fact.interaction_id,
        at_us=fact.started_at_us,
    )


def verdict(fact: InteractionScored, event_id: str) -> Observation | None:
    """An evaluator's score as a row; None when it is no number in [0, 1]."""
    feature, value = f"score:{fact.evaluator}", None
    if fact.evaluator == "refusal":
        feature, value = "refusal_rate", _refused(fact)
    elif fact.HasField("value"):
        value = fact.value
    elif fact.HasField("passed"):
        value = float(fact.passed)
    if value is None or not 0 <= value <= 1:
        return None
    return Observation(
        key=StreamKey(fact.tenant, fact.request_model, fact.environment, feature),
        value=value,
        event_id=event_id,
        project=fact.project,
        interaction_id=fact.interaction_id,
        at_us=fact.started_at_us or fact.scored_at_us,
    )


def subject_of(fact: FeedbackReceived) -> Subject | None:
    """The interaction that feedback is about; None when it names none, or says nothing to be watched."""
    if not fact.interaction_id or _opinion(fact) is None:
        return None
    return Subject(fact.tenant, fact.interaction_id)


def opinion(fact: FeedbackReceived, event_id: str, place: Place | None) -> Observation | None:
    """A thumb or a ranged score as a row of the place its interaction ran in; None for other kinds.

    Feedback that supersedes earlier feedback is not counted: a row once read cannot be taken back, and
    of a rater who changes their mind the first opinion is the one that counts.
    """
    said = _opinion(fact)
    if said is None:
        return None
    found = place or Place(UNKNOWN_MODEL, fact.environment)
    return Observation(
        key=StreamKey(fact.tenant, found.model, found.environment, said.feature),
        value=said.value,
        event_id=event_id,
        project=fact.project,
        interaction_id=fact.interaction_id,
        at_us=fact.observed_at_us,
    )


def input_row(
    fact: InteractionCompleted, event_id: str, found: Asked, embedder: str
) -> Observation:
    """An interaction's input as a row of vectors of one embedder; its value is still to be set."""
    variant = f"{CLIENT}-{len(found.vector)}" if found.vector else embedder
    return Observation(
        key=StreamKey(fact.tenant, fact.request_model, fact.environment, "embedding", variant),
        value=0.0,
        event_id=event_id,
        project=fact.project,
        interaction_id=fact.interaction_id,
        at_us=fact.started_at_us,
        text=" ".join(found.text[: 2 * QUOTED_CHARACTERS].split())[:QUOTED_CHARACTERS],
    )


def _refused(fact: InteractionScored) -> float | None:
    if fact.label:
        return float(fact.label in _REFUSED_LABELS)
    return float(not fact.passed) if fact.HasField("passed") else None


@dataclass(frozen=True, slots=True)
class _Opinion:
    feature: str
    value: float  # in [0, 1]


def _opinion(fact: FeedbackReceived) -> _Opinion | None:
    if fact.supersedes:
        return None
    if fact.kind == "thumbs":
        value = _THUMBS.get(fact.label)
        return None if value is None else _Opinion("thumbs_down_rate", value)
    if fact.kind != "score" or not fact.HasField("value"):
        return None
    low, high = fact.range_min, fact.range_max
    ranged = fact.HasField("range_min") and fact.HasField("range_max") and high > low
    name = f"rating:{fact.name}" if fact.name else "rating"
    return (
        _Opinion(name, (fact.value - low) / (high - low))
        if ranged and low <= fact.value <= high
        else None
    )

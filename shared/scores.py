"""The one builder of `interaction.scored.v1`: evaluators find scores afterwards, guards in the path of the call."""

from dataclasses import dataclass
from datetime import datetime

from leeway_pb.v1.interaction_pb2 import InteractionCompleted
from leeway_pb.v1.score_pb2 import InteractionScored

from shared.clock import micros
from shared.ids import derived_id
from shared.log.record import Fact
from shared.topics import INTERACTION_SCORED


@dataclass(frozen=True, slots=True)
class Score:
    """What one evaluator (or guard) found in one interaction; `value` in [0, 1] unless its card says otherwise."""

    evaluator: str
    version: str
    value: float | None = None
    label: str = ""
    passed: bool | None = None
    explanation: str = ""


def score_fact(message: InteractionCompleted, score: Score, now: datetime) -> Fact:
    """The fact of a score: the same evaluator's of the same interaction has the same event id."""
    of = (message.tenant, message.interaction_id)  # another tenant may have the same id
    score_id = derived_id("score", *of, score.evaluator, score.version)
    scored = InteractionScored(
        score_id=score_id,
        tenant=message.tenant,
        project=message.project,
        environment=message.environment,
        interaction_id=message.interaction_id,
        request_model=message.request_model,
        evaluator=score.evaluator,
        evaluator_version=score.version,
        value=score.value,
        label=score.label,
        passed=score.passed,
        explanation=score.explanation,
        scored_at_us=micros(now),
        started_at_us=message.started_at_us,
    )
    return Fact(INTERACTION_SCORED, message.tenant, score_id, scored.SerializeToString())

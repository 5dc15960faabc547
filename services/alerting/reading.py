"""Records as what alerting reasons about: calls, costs and detections."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation

from google.protobuf.message import DecodeError

from leeway_pb.v1.detection_pb2 import DriftDetected
from leeway_pb.v1.interaction_pb2 import InteractionCompleted
from leeway_pb.v1.usage_pb2 import UsageRated

from services.alerting.domain.alert import Evidence
from services.alerting.domain.rule import Place
from services.alerting.domain.tally import Call, Cost, Sample
from services.alerting.domain.wording import moment
from shared.clock import from_micros
from shared.errors import Rejected
from shared.log.record import DeadLetter, Record
from shared.topics import DRIFT_DETECTED, INTERACTION_COMPLETED, USAGE_RATED

MAX_EXAMPLES = 5

_FAILED = frozenset({"error", "interrupted"})
_COUNTED = _FAILED | {"ok"}  # a call that its caller cancelled neither failed nor worked


@dataclass(frozen=True, slots=True)
class Detection:
    """A detection, with what a person wants to see of it; what it quotes beyond its summary stays out."""

    event_id: str
    place: Place
    detected_at: datetime
    since: datetime
    evidence: Evidence


@dataclass(slots=True)
class Reading:
    """What a batch says."""

    samples: list[Sample] = field(default_factory=list)
    detections: list[Detection] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)


def read(records: Sequence[Record]) -> Reading:
    """The batch decoded; a record that cannot be is a dead letter."""
    reading = Reading()
    for record in records:
        try:
            _READERS[record.topic](record, reading)
        except (DecodeError, Rejected) as fault:
            reading.dead_letters.append(DeadLetter(record, f"alerting: {fault}"))
    return reading


def _read_interaction(record: Record, reading: Reading) -> None:
    fact = InteractionCompleted.FromString(record.value)
    if fact.status not in _COUNTED:
        return
    failed = fact.status in _FAILED
    call = Call(
        at_us=fact.ended_at_us,
        place=_place(fact),
        failed=failed,
        error_type=(fact.error_type or fact.status) if failed else "",
        seconds=max(fact.ended_at_us - fact.started_at_us, 0) / 1e6,
    )
    reading.samples.append(call)


def _read_usage(record: Record, reading: Reading) -> None:
    fact = UsageRated.FromString(record.value)
    if not fact.HasField("cost_usd"):
        return
    try:
        usd = Decimal(fact.cost_usd)
    except InvalidOperation as fault:
        raise Rejected(f"cost_usd is no decimal: {fact.cost_usd[:40]!r}") from fault
    if not usd.is_finite():
        raise Rejected(f"cost_usd is not finite: {fact.cost_usd[:40]!r}")
    reading.samples.append(Cost(fact.started_at_us, _place(fact), usd))


def _read_detection(record: Record, reading: Reading) -> None:
    fact = DriftDetected.FromString(record.value)
    detected_at = _time(fact.detected_at_us)
    change_at = _time(fact.change_at_us) if fact.change_at_us else detected_at
    evidence = {
        "detection_id": fact.detection_id,
        "feature": fact.feature,
        "detector": fact.detector,
        "direction": fact.direction,
        "statistic": fact.statistic,
        "threshold": fact.threshold,
        "window_size": fact.window_size,
        "reference_size": fact.reference_size,
        "change_at": moment(change_at),
        "detected_at": moment(detected_at),
        "summary": fact.summary,
        "interaction_ids": list(fact.interaction_ids[:MAX_EXAMPLES]),
    }
    place = Place(
        tenant=fact.tenant,
        project=fact.project,
        environment=fact.environment,
        model=fact.request_model,
        feature=fact.feature,
    )
    reading.detections.append(Detection(record.event_id, place, detected_at, change_at, evidence))


def _place(fact: InteractionCompleted | UsageRated) -> Place:
    return Place(
        tenant=fact.tenant,
        project=fact.project,
        environment=fact.environment,
        provider=fact.provider,
        model=fact.request_model,
    )


def _time(at_us: int) -> datetime:
    try:
        return from_micros(at_us)
    except OverflowError as fault:
        raise Rejected(f"{at_us} microseconds are no time") from fault


_READERS: Mapping[str, Callable[[Record, Reading], None]] = {
    INTERACTION_COMPLETED.name: _read_interaction,
    USAGE_RATED.name: _read_usage,
    DRIFT_DETECTED.name: _read_detection,
}

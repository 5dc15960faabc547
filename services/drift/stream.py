"""Facts in, what they say of drift out: decode, embed, observe, and tell what was found."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import orjson
import structlog
from google.protobuf.message import DecodeError

from leeway_pb.v1.detection_pb2 import DriftDetected
from leeway_pb.v1.embedding_pb2 import InteractionEmbedded
from leeway_pb.v1.feedback_pb2 import FeedbackReceived
from leeway_pb.v1.interaction_pb2 import InteractionCompleted
from leeway_pb.v1.measurement_pb2 import DriftMeasured
from leeway_pb.v1.score_pb2 import InteractionScored

from services.drift.detectors.catalogue import EMBEDDING
from services.drift.detectors.detector import Floats
from services.drift.domain import Finding, Observation
from services.drift.fleet import Fleet
from services.drift.places import Places
from services.drift.signals import CLIENT, asked, failure, input_row, opinion, subject_of, verdict
from services.drift.whereabouts import Place, Subject
from services.drift.windows import Measured, Windows
from services.drift.wording import summary
from shared.clock import Clock, micros
from shared.embedding import Embedder
from shared.ids import derived_id
from shared.log.record import DeadLetter, Effect, Fact, Record
from shared.topics import (
    DRIFT_DETECTED,
    DRIFT_MEASURED,
    FEEDBACK_RECEIVED,
    INTERACTION_COMPLETED,
    INTERACTION_EMBEDDED,
    INTERACTION_SCORED,
)

log = structlog.get_logger()

Message = InteractionCompleted | FeedbackReceived | InteractionScored

MESSAGES: Mapping[str, type[Message]] = {
    INTERACTION_COMPLETED.name: InteractionCompleted,
    FEEDBACK_RECEIVED.name: FeedbackReceived,
    INTERACTION_SCORED.name: InteractionScored,
}


@dataclass(slots=True)
class _Batch:
    """A batch of records on its way: the messages that could be read, and those that could not."""

    messages: list[tuple[str, Message]] = field(default_factory=list)  # with their event ids
    dead: list[DeadLetter] = field(default_factory=list)

    def ran(self) -> list[tuple[Subject, Place]]:
        """The interactions of the batch, and where they ran."""
        facts = [fact for _, fact in self.messages if isinstance(fact, InteractionCompleted)]
        return [
            (Subject(fact.tenant, fact.interaction_id), Place(fact.request_model, fact.environment))
            for fact in facts
        ]

    def talked_of(self) -> set[Subject]:
        """The interactions that the feedback of the batch is about."""
        facts = [fact for _, fact in self.messages if isinstance(fact, FeedbackReceived)]
        subjects = map(subject_of, facts)
        return {subject for subject in subjects if subject is not None}


@dataclass(frozen=True, slots=True)
class _Embedded:
    """An interaction's input with its vector, and the embedder that made it."""

    fact: InteractionCompleted
    row: Observation
    vector: Floats
    embedder: str


class DriftHandler:
    """Watches what interactions ask, whether they fail, and what people and evaluators say of them.

    The work of a batch is done on a worker thread. The streams' states are stored with the facts
    and the position, so a batch that comes again is observed by the same streams as the first time,
    and every event id is derived from the record that caused it.
    """

    def __init__(
        self, embedder: Embedder, fleet: Fleet, windows: Windows, places: Places, clock: Clock
    ) -> None:
        self._embedder = embedder
        self._fleet = fleet
        self._windows = windows
        self._places = places
        self._clock = clock

    def restore(self, states: Mapping[str, bytes]) -> None:
        self._fleet.restore(states)
        self._windows.restore(states)
        self._places.restore(states)

    async def handle(self, records: Sequence[Record]) -> Effect:
        batch = await asyncio.to_thread(_decode, records)
        # First where the batch's interactions ran: feedback may stand before its interaction in it.
        remembered = self._places.remember(batch.ran())
        places = await self._places.find(batch.talked_of())
        effect = await asyncio.to_thread(self._observe, batch, places, micros(self._clock.now()))
        return replace(effect, states={**effect.states, **remembered})

    def _observe(self, batch: _Batch, places: Mapping[Subject, Place], now_us: int) -> Effect:
        embedded = self._embed(batch)
        rows = [each.row for each in embedded] + _numbers(batch, places)
        findings, changes = self._fleet.observe(rows)
        measured, opened = self._windows.observe(self._fleet.readings, now_us)
        for finding in findings:
            _tell(finding)
        return Effect(
            facts=[_embedded_fact(each) for each in embedded]
            + [_detected_fact(finding, now_us) for finding in findings]
            + [_measured_fact(each) for each in measured],
            dead_letters=batch.dead,
            states={**changes, **opened},
        )

    def _embed(self, batch: _Batch) -> list[_Embedded]:
        inputs = [
            (event_id, message, asked(message))
            for event_id, message in batch.messages
            if isinstance(message, InteractionCompleted)
        ]
        texts = [found.text for _, _, found in inputs if found.text and not found.vector]
        made = iter(self._embedder.embed(texts))
        embedded = []
        for event_id, fact, found in inputs:
            if not found.text and not found.vector:
                continue
            row = input_row(fact, event_id, found, self._embedder.name)
            vector = np.array(found.vector, np.float32) if found.vector else next(made)
            name = CLIENT if found.vector else self._embedder.name
            embedded.append(_Embedded(fact, replace(row, value=vector), vector, name))
        return embedded


def _numbers(batch: _Batch, places: Mapping[Subject, Place]) -> list[Observation]:
    rows = [_number(event_id, message, places) for event_id, message in batch.messages]
    return [row for row in rows if row is not None]


def _number(event_id: str, message: Message, places: Mapping[Subject, Place]) -> Observation | None:
    match message:
        case InteractionCompleted():
            return failure(message, event_id)
        case InteractionScored():
            return verdict(message, event_id)
        case _:
            subject = subject_of(message)
            return opinion(message, event_id, places.get(subject) if subject else None)


def _decode(records: Sequence[Record]) -> _Batch:
    batch = _Batch()
    for record in records:
        message = MESSAGES[record.topic]()
        try:
            message.ParseFromString(record.value)
        except DecodeError:
            batch.dead.append(DeadLetter(record, f"not a {type(message).__name__} message"))
            continue
        if not message.tenant:
            batch.dead.append(DeadLetter(record, "the fact names no tenant"))
            continue
        batch.messages.append((record.event_id, message))
    return batch


def _embedded_fact(each: _Embedded) -> Fact:
    message = InteractionEmbedded(
        interaction_id=each.fact.interaction_id,
        tenant=each.fact.tenant,
        project=each.fact.project,
        environment=each.fact.environment,
        request_model=each.fact.request_model,
        embedder=each.embedder,
        part="input",
        vector=each.vector.tolist(),
        started_at_us=each.fact.started_at_us,
    )
    event_id = derived_id(INTERACTION_EMBEDDED.name, each.fact.tenant, each.row.event_id)
    return Fact(INTERACTION_EMBEDDED, each.fact.tenant, event_id, message.SerializeToString())


def _detected_fact(finding: Finding, now_us: int) -> Fact:
    key, found, row = finding.observation.key, finding.detection, finding.observation
    detection_id = derived_id(
        DRIFT_DETECTED.name, key.tenant, key.feature, key.variant, row.event_id
    )
    message = DriftDetected(
        detection_id=detection_id,
        tenant=key.tenant,
        project=row.project,
        environment=key.environment,
        request_model=key.model,
        feature=key.feature,
        detector=finding.detector,
        statistic=found.statistic,
        threshold=found.threshold,
        target_run_length=found.target_run_length,
        model_run_length=finding.model_run_length,
        reference_size=found.reference_size,
        window_size=found.window,
        change_at_us=finding.changed_at_us,
        detected_at_us=now_us,
        direction=found.direction,
        summary=summary(finding),
        evidence=_evidence(finding).decode(),
        interaction_ids=[label.interaction_id for label in finding.examples],
    )
    return Fact(DRIFT_DETECTED, key.tenant, detection_id, message.SerializeToString())


def _measured_fact(measured: Measured) -> Fact:
    key, window = measured.key, measured.window
    window_id = derived_id(
        DRIFT_MEASURED.name, key.tenant, key.feature, key.variant, window.opened_by
    )
    message = DriftMeasured(
        window_id=window_id,
        tenant=key.tenant,
        environment=key.environment,
        request_model=key.model,
        feature=key.feature,
        variant=key.variant,
        begins_at_us=window.begins_at_us,
        window_seconds=window.seconds,
        rows=window.rows,
        late_rows=measured.late_rows,
        watched_rows=window.watched,
    )
    if key.feature != EMBEDDING:
        message.total, message.lowest, message.highest = window.total, window.lowest, window.highest
    if window.watched:
        message.mean_statistic = window.strangeness / window.watched
        message.highest_statistic = window.strangest
        message.threshold = window.threshold
    return Fact(DRIFT_MEASURED, key.tenant, window_id, message.SerializeToString())


def _evidence(finding: Finding) -> bytes:
    found = finding.detection
    examples = [
        {"interaction_id": label.interaction_id, "text": label.text} for label in finding.examples
    ]
    return orjson.dumps(
        {
            "window": found.window,
            "before": found.before,
            "after": found.after,
            "continuing": finding.continuing,
            "embedder": finding.observation.key.variant,
            "examples": examples,
            **found.details,
        }
    )


def _tell(finding: Finding) -> None:
    key, found = finding.observation.key, finding.detection
    log.info(
        "drift.detected",
        tenant=key.tenant,
        model=key.model,
        environment=key.environment,
        feature=key.feature,
        direction=found.direction,
        statistic=round(found.statistic, 3),
        threshold=round(found.threshold, 3),
        continuing=finding.continuing,
    )

"""The life of a stream: it learns what is normal, watches, alarms, and holds its tongue for a while."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile

import numpy as np

from services.drift.detectors.catalogue import EMBEDDING, new_detector
from services.drift.detectors.detector import Detection, Detector, Floats
from services.drift.detectors.embedding.calibration import Effort
from services.drift.trail import Label, Trail
from shared.errors import Invalid

# What part of a model's false alarms each of its streams may raise, by the union bound (Bonferroni): of
# what there is to see in a call, its input may raise half, and each number that is said of it (that it
# failed, a score, a thumb, a rating) a twentieth. At most ten numbers a call are within the whole.
SHARE_OF_INPUTS = 0.5
SHARE_OF_NUMBERS = 0.05


@dataclass(frozen=True, slots=True, order=True)
class StreamKey:
    """What is watched by itself. `variant` tells apart vectors that cannot be compared."""

    tenant: str
    model: str
    environment: str
    feature: str  # embedding | <what>_rate | score:<name> | rating:<name>
    variant: str = ""

    @property
    def share(self) -> float:
        """What part of the model's false alarms the stream may raise."""
        return SHARE_OF_INPUTS if self.feature == EMBEDDING else SHARE_OF_NUMBERS


@dataclass(frozen=True, slots=True)
class Observation:
    """One row of a stream: a number, or a vector, and what it belongs to.

    `event_id` is the fact it was read from; `text` what may be quoted of it, under the tenant's policy.
    """

    key: StreamKey
    value: float | Floats
    event_id: str
    project: str
    interaction_id: str
    at_us: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """How streams live.

    `target_run_length` is how many calls of a model lie between two false alarms on average, of all its
    streams together. After an alarm the detector starts afresh, and alarms within `cooldown` rows are not told. One that
    comes later, but within twice that, says that the shift goes on. After `relearn_after` of those in a
    row (0: never) the stream takes what it sees for normal and learns a new reference.
    """

    reference_size: int
    quality_reference_size: int
    target_run_length: float
    cooldown: int
    relearn_after: int = 0
    seed: int = 0
    effort: Effort = field(default_factory=Effort)

    def reference_rows(self, key: StreamKey) -> int:
        """How many rows a stream learns from."""
        return self.reference_size if key.feature == EMBEDDING else self.quality_reference_size

    def run_length(self, key: StreamKey) -> float:
        """How many rows of a stream lie between two false alarms of its own on average."""
        return self.target_run_length / key.share


@dataclass(frozen=True, slots=True)
class Finding:
    """A detection that is told: with the row that raised it, when the change began, and examples."""

    detection: Detection
    detector: str
    observation: Observation
    changed_at_us: int
    examples: tuple[Label, ...]
    continuing: bool

    @property
    def model_run_length(self) -> float:
        """How many calls lie between two false alarms of the model's streams together on average."""
        return self.detection.target_run_length * self.observation.key.share


@dataclass(slots=True)
class Stream:
    """One stream. It is learning while `detector` is None, and watching from then on.

    `reference` holds the rows learnt so far, and `turns` counts how often it was learnt or begun anew;
    `last_alarm` is the number of the last row that was told of; `repeats` how often the same shift was
    told again. Rows that nothing can be learnt from are no fault of the caller's: the reference is
    dropped, `flaw` says why, and the stream learns from the next ones. `statistics` is what the detector
    found of each row that was observed last: NaN while the stream learns.
    """

    key: StreamKey
    policy: Policy
    trail: Trail = field(default_factory=Trail)
    reference: list[float | Floats] = field(default_factory=list)
    detector: Detector | None = None
    turns: int = 0
    last_alarm: int | None = None
    repeats: int = 0
    flaw: str = ""
    statistics: list[float] = field(default_factory=list)

    @property
    def threshold(self) -> float:
        """What a statistic has to pass to be an alarm; 0 while nothing is watched."""
        return self.detector.threshold if self.detector else 0.0

    def observe(self, observations: Sequence[Observation]) -> list[Finding]:
        """Take the next rows, in order; fitting and calibrating, once per reference, takes seconds."""
        self.flaw, self.statistics = "", []
        findings: list[Finding] = []
        rest = list(observations)
        while rest:
            taken = self._watch(rest, findings) if self.detector else self._learn(rest)
            rest = rest[taken:]
        return findings

    def _learn(self, observations: Sequence[Observation]) -> int:
        wanted = self.policy.reference_rows(self.key)
        taken = observations[: max(wanted - len(self.reference), 0)]
        for observation in taken:
            self._add(observation)
        self.statistics += [math.nan] * len(taken)
        if len(self.reference) >= wanted:
            self._fit()
        return len(taken)

    def _add(self, observation: Observation) -> None:
        """One more row of the reference; it is the first of a new one where it cannot stand beside the others."""
        if self.reference and np.shape(self.reference[0]) != np.shape(observation.value):
            self._drop("its rows are of different widths")
        self.reference.append(observation.value)
        self.trail.add(_label(observation))

    def _fit(self) -> None:
        detector = new_detector(self.key.feature, self.policy.seed, self.policy.effort)
        try:
            detector.fit(np.array(self.reference)).calibrate(self.policy.run_length(self.key))
        except Invalid as unfit:
            self._drop(unfit.message)
        else:
            self._turn(detector)

    def _drop(self, flaw: str) -> None:
        self._turn(None)
        self.flaw = flaw

    def _watch(self, observations: Sequence[Observation], findings: list[Finding]) -> int:
        """Watch the rows, up to the one after which the stream learns anew."""
        assert self.detector is not None
        rows = _alike(observations)
        try:
            found = self.detector.update(np.array([row.value for row in rows]))
        except Invalid as unlike:
            self._drop(unlike.message)
            return 0
        alarms = {detection.index: detection for detection in found}
        statistics, watched = self.detector.statistics, len(rows)
        for index, observation in enumerate(rows):
            self.trail.add(_label(observation))
            if index in alarms and self._is_told():
                findings.append(self._finding(alarms[index], observation))
                if self.policy.relearn_after and self.repeats >= self.policy.relearn_after:
                    self._turn(None)
                    watched = index + 1
                    break
        self.statistics += statistics[:watched]
        return watched

    def _turn(self, detector: Detector | None) -> None:
        """Begin to watch, or with None to learn."""
        self.detector, self.reference, self.turns = detector, [], self.turns + 1
        self.last_alarm, self.repeats = None, 0

    def _is_told(self) -> bool:
        """Whether an alarm on the last row is told, and if so, count it as new or as a repeat."""
        number = self.trail.rows - 1
        if self.last_alarm is not None and number - self.last_alarm < self.policy.cooldown:
            return False
        goes_on = (
            self.last_alarm is not None and number - self.last_alarm < 2 * self.policy.cooldown
        )
        self.repeats = self.repeats + 1 if goes_on else 0
        self.last_alarm = number
        return True

    def _finding(self, detection: Detection, observation: Observation) -> Finding:
        assert self.detector is not None
        labels = [self.trail.back(rows) for rows in detection.exemplars]
        return Finding(
            detection=detection,
            detector=self.detector.name,
            observation=observation,
            changed_at_us=self.trail.time_back(detection.change_ago),
            examples=tuple(label for label in labels if label is not None),
            continuing=self.repeats > 0,
        )


def _alike(observations: Sequence[Observation]) -> list[Observation]:
    """The first rows, as many as are of one width."""
    width = np.shape(observations[0].value)
    return list(takewhile(lambda row: np.shape(row.value) == width, observations))


def _label(observation: Observation) -> Label:
    return Label(observation.interaction_id, observation.at_us, observation.text)

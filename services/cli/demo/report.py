"""What the demo came to: the numbers, what was noticed of each plant, and what is missing, if anything is."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal

import orjson

from services.cli.demo.traffic import Plant

SPEND_RULE = "spend"


@dataclass(slots=True)
class Sent:
    """What the API answered. `failed` calls are accepted ones: they fail because the script says so."""

    calls: int = 0
    accepted: int = 0
    failed: int = 0
    refused: int = 0
    thumbs: int = 0
    refusal: str = ""  # the last one


@dataclass(frozen=True, slots=True)
class Recorded:
    """What SQL says of the same calls."""

    calls: int = 0
    priced: int = 0
    failed: int = 0
    thumbs: int = 0
    embedded: int = 0
    tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    median_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Detection:
    """A row of detections_v1."""

    feature: str
    detector: str
    direction: str
    statistic: float
    threshold: float
    reference_size: int
    summary: str
    detected_at: datetime


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that fired. `verified` says whether it arrived with a valid signature; None: not ours to see."""

    rule: str
    title: str
    channel: str
    verified: bool | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Planted:
    """When a plant was begun."""

    plant: Plant
    at: datetime


@dataclass(frozen=True, slots=True)
class Noticed:
    """The first that was noticed of a plant, and how long after its beginning."""

    what: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """Everything so far."""

    sent: Sent = field(default_factory=Sent)
    recorded: Recorded = Recorded()
    planted: tuple[Planted, ...] = ()
    detections: tuple[Detection, ...] = ()
    alerts: tuple[Alert, ...] = ()
    seconds: float = 0.0

    @property
    def false_alarms(self) -> Sequence[Detection]:
        """Detections from before anything was planted."""
        return [seen for seen in self.detections if not self._is_planted(seen.detected_at)]

    @property
    def alarms(self) -> Sequence[Alert]:
        """Alerts from after the first plant."""
        return [alert for alert in self.alerts if self._is_planted(alert.at)]

    def _is_planted(self, at: datetime) -> bool:
        return any(one.at <= at for one in self.planted)

    def noticed(self, planted: Planted) -> Noticed | None:
        """The first that was noticed of a plant, since it was begun: a detection, or an alert on spending."""
        if planted.plant is Plant.COST:
            found = [(one.at, one.title) for one in self.alerts if one.rule == SPEND_RULE]
        else:
            features = _FEATURES[planted.plant]
            seen = [one for one in self.detections if one.feature in features]
            found = [(one.detected_at, one.summary) for one in seen]
        since = [(at, what) for at, what in found if at >= planted.at]
        if not since:
            return None
        at, what = min(since)
        return Noticed(what, (at - planted.at).total_seconds())

    @property
    def missing(self) -> str:
        """The first thing that is not as promised, in a sentence; empty when nothing is missing."""
        return next(self._missing(), "")

    def as_json(self) -> str:
        """The report, its verdict included, as one JSON object; money is a text."""
        return orjson.dumps(
            {
                "ok": not self.missing,
                "missing": self.missing,
                "false_alarms": len(self.false_alarms),
                "noticed": {str(one.plant): self.noticed(one) for one in self.planted},
                **asdict(self),
            },
            default=str,
            option=orjson.OPT_INDENT_2,
        ).decode()

    def _missing(self) -> Iterator[str]:
        sent, recorded = self.sent, self.recorded.calls
        if sent.refused:
            yield f"{sent.refused} requests were not taken, the last one with: {sent.refusal}"
        if recorded != sent.accepted:
            yield f"{sent.accepted} calls were accepted, but SQL shows {recorded}."
        if not any(self.noticed(one) for one in self.planted):
            yield "None of what was planted was noticed."
        if not self.alarms:
            yield "No alert was told of what was planted."
        if not any(alert.verified is not False for alert in self.alarms):
            yield "No alert arrived with a valid signature."


_FEATURES = {
    Plant.TOPIC: frozenset({"embedding"}),
    Plant.ANSWERS: frozenset({"refusal_rate", "thumbs_down_rate", "score:empty"}),
}
"""What detectors watch that the plants change; none watches the cost of calls."""

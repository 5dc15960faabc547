"""Facts in, signals to the desk: detections as they are, calls and costs by the windows they fill."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from services.alerting.domain.alert import Signal
from services.alerting.domain.rule import Rule, When
from services.alerting.domain.window import Breach, breach
from services.alerting.domain.wording import moment
from services.alerting.reading import Detection, read
from services.alerting.windows import Windows
from shared.clock import Clock, from_micros, micros
from shared.log.record import Effect, Record


class Reports(Protocol):
    """Who decides about signals."""

    async def report(self, signals: Sequence[Signal]) -> None:
        """Count signals and tell what they lead to; a cause is counted once. Raises `Unavailable`."""
        ...


@dataclass(frozen=True, slots=True)
class Lateness:
    """How old a window's end, and a detection, may be to wake somebody."""

    window_seconds: int
    detection_seconds: int


class AlertingHandler:
    """Handles a batch so that it may come twice.

    The windows are blobs, stored in one transaction with the position: they are what all batches before
    this one made of them. The desk counts each cause once, so that a batch which reached the desk and
    came again after a crash leads to no second alert. The facts of alerts are no part of the effect:
    they are written with the alert, where a crash cannot come between, and told from there.
    `heard_at` is when the newest fact of the last batch was accepted.
    """

    def __init__(
        self,
        rules: Mapping[str, Rule],
        windows: Windows,
        desk: Reports,
        clock: Clock,
        lateness: Lateness,
    ) -> None:
        self._detection_rules = [rule for rule in rules.values() if rule.when is When.DETECTION]
        self._windows = windows
        self._desk = desk
        self._clock = clock
        self._lateness = lateness
        self.heard_at = from_micros(0)

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Take over the stored windows."""
        self._windows.restore(states)

    async def handle(self, records: Sequence[Record]) -> Effect:
        """Count the batch, and report what it shows."""
        reading = read(records)
        now_us = micros(self._clock.now())
        staged = self._windows.stage(reading.samples, now_us)
        lateness_us = self._lateness.window_seconds * 1_000_000
        breaches = [
            breach(window, key.place, now_us, lateness_us) for key, window in staged.windows.items()
        ]
        signals = [_signal_of_breach(found) for found in breaches if found is not None]
        signals += self._detected(reading.detections)
        await self._desk.report(signals)
        self._windows.commit(staged)
        self.heard_at = from_micros(max(record.accepted_at_us for record in records))
        return Effect(dead_letters=reading.dead_letters, states=staged.states)

    def _detected(self, detections: Sequence[Detection]) -> list[Signal]:
        oldest = self._clock.now() - timedelta(seconds=self._lateness.detection_seconds)
        return [
            Signal(
                rule=rule.name,
                cause=seen.event_id,
                place=seen.place.only(rule.group_by),
                since=seen.since,
                evidence=seen.evidence,
            )
            for seen in detections
            if seen.detected_at >= oldest
            for rule in self._detection_rules
            if rule.watches(seen.place.tenant)
        ]


def _signal_of_breach(found: Breach) -> Signal:
    rule = found.rule
    until = from_micros(found.ends_at_us)
    return Signal(
        rule=rule.name,
        cause=found.cause,
        place=found.place,
        since=until - timedelta(seconds=rule.window_seconds),
        evidence={
            "value": f"{found.total.value().normalize():f}",
            "threshold": f"{rule.threshold:f}",
            "window_seconds": rule.window_seconds,
            "until": moment(until),
            **found.total.evidence(),
        },
    )

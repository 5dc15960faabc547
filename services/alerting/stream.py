"""Facts in, signals to the desk: detections as they are, calls and costs by the windows they fill."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import orjson

from services.alerting.domain.alert import Signal
from services.alerting.domain.hearing import Hearing
from services.alerting.domain.rule import Rule, When
from services.alerting.domain.window import Breach, breach
from services.alerting.domain.wording import moment
from services.alerting.reading import Detection, read
from services.alerting.windows import Windows
from shared.clock import Clock, from_micros, micros
from shared.log.record import Effect, Record

SETTLING = timedelta(seconds=30)

_NEVER = from_micros(0)
_HEARD = '["","heard",'  # a window's name begins with a rule's, which is never empty


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
    Beside the windows it stores of which tenants it ever reported a signal: with their partition goes
    who may say that they have been quiet.
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
        self._tenants: frozenset[str] = frozenset()
        self._heard_at = _NEVER
        self._taken_at = clock.now()

    def hearing(self, *, idle: bool) -> Hearing:
        """Up to now when no fact waits, else up to the last one.

        Just after it took over what is stored, none seems to wait since none was asked for yet.
        """
        now = self._clock.now()
        listens = idle and now >= self._taken_at + SETTLING
        return Hearing(now if listens else self._heard_at, self._tenants)

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Take over the stored windows, and the tenants whose alerts are decided here."""
        heard = {name for name in states if name.startswith(_HEARD)}
        self._tenants = frozenset(orjson.loads(name)[3]["tenant"] for name in heard)
        self._windows.restore({name: states[name] for name in states.keys() - heard})
        self._heard_at, self._taken_at = _NEVER, self._clock.now()

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
        self._heard_at = from_micros(max(record.accepted_at_us for record in records))
        newcomers = {signal.place.tenant for signal in signals} - self._tenants
        self._tenants |= newcomers
        named = {_name_of(tenant): b"{}" for tenant in newcomers}
        return Effect(dead_letters=reading.dead_letters, states={**staged.states, **named})

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


def _name_of(tenant: str) -> str:
    """A state's name in the form of a window's: the version before drops it as one of a rule that is gone."""
    return orjson.dumps(["", "heard", 0, {"tenant": tenant}, 0]).decode()


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

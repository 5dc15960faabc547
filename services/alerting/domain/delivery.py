"""How long a delivery is tried: back-off, what a receiver asks for, and the moment to give up."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.alerting.domain.notification import Notification


class DeliveryState(StrEnum):
    """Where a delivery stands; `DEAD` is given up on, and somebody is told."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver took it."""


@dataclass(frozen=True, slots=True)
class Failed:
    """It may work later; the receiver may have said when."""

    reason: str
    retry_after_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Refused:
    """It will not work however often it is tried: a wrong key, a wrong form, a forbidden address."""

    reason: str


Outcome = Delivered | Failed | Refused


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notification on its way to one channel; `delivery_id` is the same on every attempt."""

    delivery_id: str
    channel: str
    notification: Notification
    attempts: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """Who makes an attempt: nobody else does before `until`, by a clock that all members share roughly."""

    by: str
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Patience:
    """How often, and for how long, a delivery is tried."""

    max_attempts: int = 40
    give_up_seconds: float = 86_400.0
    first_delay_seconds: float = 5.0
    longest_delay_seconds: float = 3_600.0


@dataclass(frozen=True, slots=True)
class Settlement:
    """What one attempt made of a delivery."""

    state: DeliveryState
    attempts: int
    next_attempt_at: datetime
    reason: str = ""


def settled(delivery: Delivery, outcome: Outcome, patience: Patience, now: datetime) -> Settlement:
    """What becomes of a delivery after an attempt."""
    attempts = delivery.attempts + 1
    match outcome:
        case Delivered():
            return Settlement(DeliveryState.DELIVERED, attempts, now)
        case Refused(reason):
            return Settlement(DeliveryState.DEAD, attempts, now, reason)
        case Failed(reason, asked):
            delay = _delay(delivery.delivery_id, attempts, asked, patience)
            following = now + timedelta(seconds=delay)
            end = delivery.created_at + timedelta(seconds=patience.give_up_seconds)
            over = attempts >= patience.max_attempts or following > end
            state = DeliveryState.DEAD if over else DeliveryState.WAITING
            return Settlement(state, attempts, following, reason)


def _delay(delivery_id: str, attempts: int, asked_seconds: float, patience: Patience) -> float:
    """Doubling, at most an hour, never less than asked for; half of it is jitter seeded by the attempt."""
    doubled = patience.first_delay_seconds * 2.0 ** min(attempts - 1, 30)
    delay = min(doubled, patience.longest_delay_seconds)
    digest = hashlib.sha256(f"{delivery_id}/{attempts}".encode()).digest()
    jitter = int.from_bytes(digest[:4], "big") / 2**32
    wanted = max(delay * (0.5 + 0.5 * jitter), asked_seconds)
    return min(wanted, patience.longest_delay_seconds)

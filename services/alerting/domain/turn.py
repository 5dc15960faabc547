"""What one decision writes: alerts, what they counted, what is told and to whom, all or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.alerting.domain.alert import Alert, Signal
from services.alerting.domain.delivery import Delivery
from services.alerting.domain.notification import Notification


@dataclass(frozen=True, slots=True)
class Turn:
    """The alerts as they stand now, the signals that counted, and the outboxes' new rows."""

    at: datetime
    alerts: Sequence[Alert] = ()
    counted: Sequence[Signal] = ()
    notifications: Sequence[Notification] = ()
    deliveries: Sequence[Delivery] = ()

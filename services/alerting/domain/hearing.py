"""How far the facts were heard, and whose: what a member of alerting may call quiet."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.alerting.domain.alert import Alert
from services.alerting.domain.rule import When

UNHEARD = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Hearing:
    """What one member has heard: the facts of these tenants, up to a time.

    Whether another tenant has been quiet is for the member to say that hears it. When none does any more,
    since what the log kept of it is lost, anybody may say so an hour later.
    """

    until: datetime
    tenants: Collection[str]

    def of(self, alert: Alert, now: datetime) -> datetime:
        """Up to when it is known what happened where the alert is; no fact tells of a dead channel."""
        if alert.when is When.DELIVERY:
            return now
        return self.until if alert.place.tenant in self.tenants else self.until - UNHEARD

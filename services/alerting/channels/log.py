"""The process's own log: what is told when nobody named a channel."""

from datetime import datetime

import structlog

from services.alerting.domain.delivery import Delivered, Delivery, Outcome

log = structlog.get_logger()


class LogChannel:
    """One line an alert; the body stays out of it, since a detection may quote a prompt."""

    async def send(self, delivery: Delivery, now: datetime) -> Outcome:
        del now
        told = delivery.notification
        log.warning(
            "alert.changed",
            change=str(told.change),
            alert_id=told.alert_id,
            tenant=told.tenant,
            rule=told.rule,
            severity=str(told.severity),
            title=told.title,
            occurrences=told.occurrences,
        )
        return Delivered()

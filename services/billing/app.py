"""Composition of billing: interactions -> the price book -> rated usage."""

from services.billing.served import Served
from services.billing.settings import Settings
from services.billing.stream import Rater
from shared.lifecycle import App, Host
from shared.log.consumer import ConsumerLimits
from shared.prices.seed import installed_book
from shared.topics import INTERACTION_COMPLETED


def build(settings: Settings, host: Host) -> App:
    """The consumer that rates what was completed."""
    served = Served(settings.served_calls_of_tenant)
    rater = Rater(installed_book(host.config), served, host.clock)
    limits = ConsumerLimits(
        max_records=settings.batch_records, max_age_seconds=settings.batch_seconds
    )
    consumer = host.group("billing", (INTERACTION_COMPLETED,), rater, limits)
    return App("billing", tasks=[consumer.run])

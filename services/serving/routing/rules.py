"""What the settings say of upstreams that fail, as routing goes by it."""

from services.serving.routing.breaker import BreakerLimits
from services.serving.routing.retries import RetryLimits
from services.serving.routing.upstream import RoutingLimits
from services.serving.settings import Settings


def routing_limits(settings: Settings) -> RoutingLimits:
    """The limits of each upstream."""
    return RoutingLimits(
        breaker=BreakerLimits(
            window_seconds=settings.breaker_window_seconds,
            failure_rate=settings.breaker_failure_rate,
            min_calls=settings.breaker_min_calls,
            consecutive=settings.breaker_consecutive,
            open_seconds=settings.breaker_open_seconds,
        ),
        retries=RetryLimits(share=settings.retry_share, floor=settings.retry_floor),
        queue_seconds=settings.queue_seconds,
    )

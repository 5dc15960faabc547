"""What the settings say of idempotency keys."""

from services.serving.idempotency.claims import IdempotencyLimits
from services.serving.settings import Settings


def idempotency_limits(settings: Settings) -> IdempotencyLimits:
    """How long replies are kept, how large they may be, and how long a retry waits."""
    return IdempotencyLimits(
        keep_seconds=settings.idempotency_keep_seconds,
        max_reply_bytes=settings.idempotency_max_reply_bytes,
        wait_seconds=settings.idempotency_wait_seconds,
    )

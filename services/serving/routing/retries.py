"""How often an upstream is asked again for a call, and after how long.

The budget is Finagle's (`RetryBudget`) and gRPC's (gRFC A6, "throttling"): retries in proportion to calls, so that
an upstream in trouble is not asked more than it would be without trouble. The wait is "full jitter" of Brooker,
"Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): uniform between nothing and a bound that doubles.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from services.serving.routing.share import Share


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """`share` of the calls of a window may be retries, and `floor` of them in any case.

    A wait is below `base_seconds` after the first failure, and never above `cap_seconds`.
    """

    share: float = 0.2
    floor: int = 3
    window_seconds: float = 10.0
    base_seconds: float = 0.1
    cap_seconds: float = 2.0


class RetryBudget:
    """The retries and hedges that one upstream may still be asked for."""

    def __init__(self, limits: RetryLimits) -> None:
        self._limits = limits
        self._share = Share(limits.window_seconds)

    def called(self, now: float) -> None:
        """A call asked the upstream for the first time."""
        self._share.add(now, whole=1)

    def take(self, now: float) -> bool:
        """Whether it may be asked once more for a call; then that is spent."""
        limits, share = self._limits, self._share
        if share.part_at(now) + 1 > limits.floor + limits.share * share.whole_at(now):
            return False
        share.add(now, part=1)
        return True


def backoff_seconds(limits: RetryLimits, failures: int, draw: random.Random) -> float:
    """How long to wait after so many failures of a call, from 1.

    >>> [round(backoff_seconds(RetryLimits(), n, random.Random(1)), 3) for n in (1, 2, 9)]
    [0.013, 0.027, 0.269]
    """
    return draw.uniform(0.0, min(limits.cap_seconds, limits.base_seconds * 2 ** (failures - 1)))


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """How long an upstream asks to be left alone; None when it does not say, or nothing that can be read.

    `retry-after-ms` is OpenAI's, and exact; `retry-after` is RFC 9110, section 10.2.3: seconds or a date.

    >>> at = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
    >>> retry_after_seconds({"retry-after": "7", "retry-after-ms": "6500"}, at)
    6.5
    >>> retry_after_seconds({"retry-after": "Tue, 24 Nov 2026 08:00:20 GMT"}, at)
    20.0
    """
    exact, written = headers.get("retry-after-ms", ""), headers.get("retry-after", "").strip()
    if _is_number(exact):
        return float(exact) / 1000
    if _is_number(written):
        return float(written)
    try:
        moment = parsedate_to_datetime(written)
    except ValueError:
        return None
    if moment.tzinfo is None:  # RFC 5322: "-0000" is a time in UTC, of a zone that is not told
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def _is_number(text: str) -> bool:
    whole, _, part = text.partition(".")
    return text.isascii() and len(text) <= _MOST_DIGITS and (whole + part).isdigit()


_MOST_DIGITS = 15

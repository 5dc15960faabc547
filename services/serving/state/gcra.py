"""The generic cell rate algorithm in whole numbers, as the continuous-state leaky bucket of ITU-T I.371.

I.371 and the ATM Forum's Traffic Management Specification 4.0 define it in two forms that admit the same cells:
virtual scheduling, and a bucket that drains without steps. Here the bucket's unit is 1 / 60,000,000 of a
request, so that a meter of `per_minute` drains exactly `per_minute` units a microsecond: nothing is ever rounded,
and a changed limit keeps what has been drawn. A bucket holds `per_minute` requests: over any t seconds at most
per_minute * (1 + t / 60) of them pass.

>>> fill = 3 * UNITS
>>> remaining(fill, 4), wait_us(fill, amount=2, per_minute=4)
(1, 15000000)
>>> drained(fill, 15_000_000, 4) // UNITS
2
"""

UNITS = 60_000_000
"""Units of fill that one request, or one token, is; also the microseconds of a minute."""


def drained(fill: int, elapsed_us: int, per_minute: int) -> int:
    """The fill after so many microseconds; a clock that went back drains nothing."""
    left = fill - elapsed_us * per_minute if elapsed_us > 0 else fill
    return max(0, left)


def conforms(fill: int, amount: int, per_minute: int) -> bool:
    """Whether so much more may pass now. A meter of 0 lets nothing pass, not even nothing."""
    return per_minute > 0 and fill + amount * UNITS <= per_minute * UNITS


def remaining(fill: int, per_minute: int) -> int:
    """How much may pass now."""
    return max(0, per_minute * UNITS - fill) // UNITS


def reset_us(fill: int, per_minute: int) -> int:
    """Microseconds until the bucket is empty, rounded up; a minute for a meter of 0."""
    return -(-fill // per_minute) if per_minute else UNITS


def wait_us(fill: int, amount: int, per_minute: int) -> int:
    """Microseconds until so much conforms, rounded up; 0 when it does, and a minute for a meter of 0."""
    if not per_minute:
        return UNITS
    return max(0, -(-(fill + (amount - per_minute) * UNITS) // per_minute))

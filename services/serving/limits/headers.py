"""What a reply tells of the limits: OpenAI's headers, of whichever limit of a kind has the least left."""

from collections.abc import Sequence

from services.serving.state.gcra import remaining, reset_us


def limit_headers(kind: str, limits: Sequence[int], fills: Sequence[int]) -> dict[str, str]:
    """The three headers of a kind (`requests`, `tokens`), by each limit and its meter's fill; none without one."""
    if not limits:
        return {}
    limit, fill = limits[0], fills[0]
    left = remaining(fill, limit)
    for place in range(1, len(limits)):
        other = remaining(fills[place], limits[place])
        if other < left:
            left, limit, fill = other, limits[place], fills[place]
    told_limit, told_left, told_reset = _NAMES[kind]
    return {
        told_limit: str(limit),
        told_left: str(left),
        told_reset: duration(reset_us(fill, limit)),
    }


_NAMES = {
    kind: tuple(f"x-ratelimit-{what}-{kind}" for what in ("limit", "remaining", "reset"))
    for kind in ("requests", "tokens")
}


def duration(micros: int) -> str:
    """Microseconds as OpenAI writes a time, to the millisecond and never less.

    >>> duration(1), duration(1_200_000), duration(360_000_000), duration(0)
    ('1ms', '1.2s', '6m0s', '0s')
    """
    millis = -(-micros // 1000)
    if 0 < millis < 1000:
        return f"{millis}ms"
    minutes, rest = divmod(millis, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest // 1000}.{rest % 1000:03d}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds

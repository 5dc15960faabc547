"""What a request's `cache-control` asks of a cache (RFC 9111, section 5.2.1)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Control:
    """`reads` and `writes`: a kept answer may be given, and this one kept. `max_age` is in seconds.

    `only_kept`: no upstream may be asked.
    """

    reads: bool = True
    writes: bool = True
    max_age: float | None = None
    only_kept: bool = False


def control_of(header: str) -> Control:
    """The control that a header's value asks for; directives that are not known are passed over.

    `no-store` keeps the answer out, and asks anew: who wants nothing kept wants nothing of others either.
    A `max-age` that is no number lets no kept answer pass.

    >>> control_of("max-age=60, only-if-cached")
    Control(reads=True, writes=True, max_age=60, only_kept=True)
    """
    if not header:
        return ANY
    asked = [part.strip().lower() for part in header.split(",")]
    ages = [_seconds(part) for part in asked if part.partition("=")[0].strip() == "max-age"]
    stored = "no-store" not in asked
    return Control(
        reads=stored and "no-cache" not in asked,
        writes=stored,
        max_age=min(ages, default=None),
        only_kept="only-if-cached" in asked,
    )


def _seconds(directive: str) -> int:
    digits = directive.partition("=")[2].strip().strip('"')
    return int(digits[:_MOST_DIGITS]) if digits.isascii() and digits.isdigit() else 0


ANY = Control()
_MOST_DIGITS = 10

"""How a program ends that cannot go on: what was wrong in sentences, and no traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import Invalid, LeewayError


@contextmanager
def in_plain_words() -> Iterator[None]:
    """An expected error is its sentence and its faults on standard error, and exit code 1."""
    try:
        yield
    except LeewayError as error:
        faults = error.faults if isinstance(error, Invalid) else ()
        sys.exit("\n  ".join([f"leeway: {error.message}", *faults]))

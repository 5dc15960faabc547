"""Limits on a process that runs: a disk that is full for it alone, memory that it does not get."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def limited(pid: int, what: int, most: int) -> Iterator[None]:
    """The process may have no more than this of a resource (`resource.RLIMIT_...`) until the block ends.

    With `RLIMIT_FSIZE` every write beyond that place of any file fails, as on a disk that is full.
    """
    before, hardest = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (most, hardest))
    try:
        yield
    finally:
        resource.prlimit(pid, what, (before, hardest))

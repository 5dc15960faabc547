"""Running as a recipe of make, which must neither die of our Ctrl-C nor keep an interrupt to itself.

Ctrl-C reaches every process of the terminal's foreground job, and GNU make dies of it whatever its recipe
returns. So Leeway takes the terminal as a job of its own; make then sees nothing but our exit code. Of the
signals sent to make alone, it passes SIGTERM on; with SIGINT it waits for its recipe without a word to it.
"""

import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.clock import Clock

LOOK_SECONDS = 0.5


@contextmanager
def own_job() -> Iterator[None]:
    """Be the terminal's foreground job meanwhile, if there is a terminal and make's job has it."""
    terminal, make_job = sys.stdin.fileno(), os.getpgrp()
    if not os.isatty(terminal) or os.tcgetpgrp(terminal) != make_job or make_job == os.getpid():
        yield
        return
    # Who is not in the foreground may hand the terminal over only when deaf to SIGTTOU. And Ctrl-Z
    # would stop us alone: make would wait, with no shell to wake us.
    for number in (signal.SIGTTOU, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    os.setpgid(0, 0)
    os.tcsetpgrp(terminal, os.getpgrp())
    try:
        yield
    finally:
        os.tcsetpgrp(terminal, make_job)


class Make:
    """The make whose recipe this process is."""

    def __init__(self) -> None:
        self._pid = os.getppid()
        self._caught_interrupts = _catches_interrupts(self._pid)

    async def ended(self, clock: Clock) -> None:
        """Return when make is gone, or was interrupted and waits for us."""
        while os.getppid() == self._pid and not self._interrupted():
            await clock.sleep(LOOK_SECONDS)

    def _interrupted(self) -> bool:
        """Whether it caught SIGINT and does no longer: its handler puts the default back (Linux shows it)."""
        return self._caught_interrupts and not _catches_interrupts(self._pid)


def _catches_interrupts(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)", status, re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGINT - 1) & 1)

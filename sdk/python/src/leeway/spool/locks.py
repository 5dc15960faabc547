"""Locks on files that end with their process: whoever holds one is the only one to read or remove."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    AVAILABLE = False

    def try_lock(descriptor: int) -> bool:
        """Windows cannot remove a file that is open: there the SDK keeps to memory."""
        raise NotImplementedError
else:
    import fcntl

    AVAILABLE = True

    def try_lock(descriptor: int) -> bool:
        """Lock an open file (flock: of the open file, not of the process); False when it is locked."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

"""How memory is given back: what large bodies needed returns to the system when they are answered."""

import ctypes
import sys

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # of <malloc.h>
_LARGE_BYTES = 1024 * 1024
_ARENAS = 2


def give_back_large_blocks() -> None:
    """Tell glibc to keep no large freed block; elsewhere the system's own way is kept.

    By itself it raises its bound for what it maps apart with each large block that is freed, up to 32 MB,
    and keeps later ones in arenas, one for each thread, which hardly ever shrink (mallopt(3)).
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_ARENA_MAX, _ARENAS)

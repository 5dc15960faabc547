"""The spool: a folder of segments that this process, a later one, or a neighbour sends on.

A segment is locked while it is written and while it is sent, so no two processes send the same one,
and the lock ends with its holder, however that dies. What is appended survives a kill of the process.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from leeway.ids import new_id
from leeway.items import Item
from leeway.settings import Limits
from leeway.spool import locks, segment

log = logging.getLogger("leeway")

_SUFFIX = ".seg"
_NEW_SUFFIX = ".new"


class Claim:
    """A segment that is ours to send. End it by `discard` when it is sent, or by `release`."""

    def __init__(self, path: Path, descriptor: int, contents: segment.Contents) -> None:
        self.path = path
        self.items = contents.items
        self.damaged = contents.damaged
        self._descriptor = descriptor

    def discard(self) -> None:
        """Remove the segment."""
        self.path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Leave the segment for another time."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@dataclass
class _Writing:
    """The segment that this process appends to."""

    path: Path
    descriptor: int
    size: int


class Spool:
    """A bounded folder of segments; every method may be called from any thread and may raise OSError."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder = folder
        self._limits = limits
        self._lock = threading.Lock()
        self._writing: _Writing | None = None
        self._own: set[str] = set()

    def append(self, items: Sequence[Item]) -> int:
        """Store the items; answers how many, of these or of the oldest, had to be lost for the bound."""
        data = segment.pack(items)
        with self._lock:
            lost = self._make_room(len(data))
            if lost is None:
                return len(items)
            writing = self._writing or self._begin()
            _write(writing, data)
            if writing.size >= self._limits.segment_bytes:
                self._seal()
            return lost

    def claim(self) -> Claim | None:
        """The oldest segment that nobody holds; None when there is none.

        Our own current segment comes last: it is sealed only when nothing else is left to send.
        """
        with self._lock:
            found = self._claim_oldest()
            if found is None and self._writing is not None:
                self._seal()
                found = self._claim_oldest()
            return found

    def wrote(self, claim: Claim) -> bool:
        """Whether this very spool wrote the segment, or an earlier process or a neighbour."""
        return claim.path.name in self._own

    def close(self) -> None:
        """Let go of the current segment, so that others may send it."""
        with self._lock:
            self._seal()

    def abandon(self) -> None:
        """In the child of a fork: drop the inherited file without touching the parent's lock on it."""
        # The parent's threads are gone and may have held the lock: it is not taken here.
        if self._writing is not None:
            os.close(self._writing.descriptor)
            self._writing = None

    def _begin(self) -> _Writing:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = new_id()
        draft = self._folder / f"{name}{_NEW_SUFFIX}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        # It takes its name only when it is locked: nobody may claim a segment that is just begun.
        locks.try_lock(descriptor)
        path = draft.with_suffix(_SUFFIX)
        draft.rename(path)
        self._writing = _Writing(path, descriptor, 0)
        self._own.add(path.name)
        _write(self._writing, segment.MAGIC)
        return self._writing

    def _seal(self) -> None:
        if self._writing is not None:
            os.close(self._writing.descriptor)
            self._writing = None

    def _claim_oldest(self) -> Claim | None:
        for path in self._segments():
            claim = self._claim(path)
            if claim is not None and claim.items:
                return claim
            if claim is not None:
                claim.discard()
        return None

    def _claim(self, path: Path) -> Claim | None:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        # Whoever held it may have sent and removed it between our opening and our locking it.
        if not locks.try_lock(descriptor) or os.fstat(descriptor).st_nlink == 0:
            os.close(descriptor)
            return None
        contents = segment.unpack(path.read_bytes())
        if contents.torn or contents.damaged:
            log.warning(
                "The spool's segment %s is damaged (%d records, %s); the rest is sent.",
                path.name,
                contents.damaged,
                "torn tail" if contents.torn else "whole tail",
            )
        return Claim(path, descriptor, contents)

    def _make_room(self, size: int) -> int | None:
        """Remove the oldest segments until so many bytes fit: how many items that loses, or None when it cannot."""
        lost = 0
        while self._size() + size > self._limits.spool_bytes:
            oldest = self._claim_oldest() if size <= self._limits.spool_bytes else None
            if oldest is None and (self._writing is None or size > self._limits.spool_bytes):
                return None
            if oldest is None:
                self._seal()
                continue
            lost += len(oldest.items)
            oldest.discard()
        return lost

    def _size(self) -> int:
        return sum(_size_of(path) for path in self._segments())

    def _segments(self) -> list[Path]:
        """Oldest first: names begin with the time."""
        if not self._folder.is_dir():
            return []
        return sorted(path for path in self._folder.iterdir() if path.suffix == _SUFFIX)


def _write(writing: _Writing, data: bytes) -> None:
    """All or nothing: what a full disk cuts short is taken back."""
    try:
        written = os.write(writing.descriptor, data)
        if written != len(data):
            raise OSError(f"Only {written} of {len(data)} bytes fit on the disk.")
    except OSError:
        os.ftruncate(writing.descriptor, writing.size)
        raise
    writing.size += len(data)


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0

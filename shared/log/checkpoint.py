"""Checkpoints: what the write-ahead log holds moves into the database file while others commit."""

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CheckpointLimits:
    """When to copy, when to hold commits for it, and how long they are held at most for a read going on.

    A page has 4 KB: SQLite itself copies after 1,000 of them.
    """

    pages: int = 1_000
    longest_pages: int = 16_000
    hold_seconds: float = 0.1


class Checkpointer:
    """Copies the write-ahead log of an outbox into its database, on a thread and a connection of its own.

    SQLite would do it inside the commit that makes the log long, and whoever waits for that commit
    waits for two syncs of the disk. Copying beside the commits holds nobody, but a log that grows
    meanwhile never begins anew: so beyond a length, `commits` is held while its last pages are copied.
    Only then does SQLite sync the database, and `flush` has brought most of it to the disk before.
    """

    def __init__(
        self,
        path: Path,
        flush: Callable[[], None],
        commits: threading.Lock,
        limits: CheckpointLimits,
        *,
        synchronous: str = "NORMAL",
    ) -> None:
        self._path = path
        self._flush = flush
        self._commits = commits
        self._limits = limits
        self._synchronous = synchronous
        self._longest_pages = limits.longest_pages
        self._written = self._seen = 0
        self._more = threading.Condition()
        self._closing = False

    def start(self) -> None:
        """Open the connection to a database that is in WAL mode, and begin."""
        self._db = sqlite3.connect(
            self._path,
            timeout=self._limits.hold_seconds,
            isolation_level=None,
            check_same_thread=False,
        )
        self._db.execute(f"PRAGMA synchronous={self._synchronous}")
        self._thread = threading.Thread(target=self._run, name="checkpoint", daemon=True)
        self._thread.start()

    def wrote(self, pages: int) -> None:
        """Hear how many pages were written since the start, about."""
        with self._more:
            self._written = pages
            if self._is_due():
                self._more.notify()

    def close(self) -> None:
        """Empty the log, unless somebody reads it, and end. No commit may come any more."""
        with self._more:
            self._closing = True
            self._more.notify()
        self._thread.join()
        self._db.close()

    def _run(self) -> None:
        while self._await_due():
            self._attempt(self._checkpoint)
            with self._more:
                self._seen = self._written
        self._attempt(partial(self._copy, "TRUNCATE"))

    def _await_due(self) -> bool:
        with self._more:
            self._more.wait_for(self._is_due)
            return not self._closing

    def _is_due(self) -> bool:
        return self._closing or self._written - self._seen >= self._limits.pages

    def _attempt(self, step: Callable[[], object]) -> None:
        """What fails is tried again when it is due again: meanwhile the log grows, and holds everything."""
        try:
            step()
        except (sqlite3.Error, OSError) as error:
            log.error("outbox.checkpoint_failed", error=str(error))

    def _checkpoint(self) -> None:
        if self._copy("PASSIVE").pages > self._longest_pages:
            self._begin_anew()

    def _begin_anew(self) -> None:
        # What came meanwhile goes first: the less is left, the shorter commits are held.
        for _ in range(2):
            self._flush()
            self._copy("PASSIVE")
        with self._commits:
            copied = self._copy("RESTART")
        # A read that goes on keeps the log as it is: commits are not held again soon.
        grown = copied.pages if copied.hindered else 0
        self._longest_pages = self._limits.longest_pages + grown

    def _copy(self, mode: str) -> "_Copied":
        row = self._db.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        return _Copied(hindered=bool(row[0]), pages=row[1])


@dataclass(frozen=True, slots=True)
class _Copied:
    """Whether somebody was in the way, and how many pages the log holds."""

    hindered: bool
    pages: int

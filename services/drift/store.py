"""The shelf: a SQLite file where streams rest that are not in memory. It can be lost: the log's state has them too."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self


class Shelf:
    """Blobs by stream. One thread at a time uses it; it survives no restart and need not."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def __aenter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        self._database = sqlite3.connect(self._path, check_same_thread=False)
        self._database.executescript(
            """
            PRAGMA journal_mode = OFF;
            PRAGMA synchronous = OFF;
            CREATE TABLE shelf (
                stream TEXT NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL,
                PRIMARY KEY (stream, name)
            ) WITHOUT ROWID;
            """
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()
        self._path.unlink(missing_ok=True)

    def put(self, stream: str, blobs: Mapping[str, bytes]) -> None:
        """Lay a stream's blobs on the shelf."""
        rows = [(stream, name, value) for name, value in blobs.items()]
        with self._database:
            self._database.executemany("INSERT OR REPLACE INTO shelf VALUES (?, ?, ?)", rows)

    def take(self, stream: str) -> dict[str, bytes]:
        """A stream's blobs, taken off the shelf; empty when it is not there."""
        with self._database:
            rows = self._database.execute(
                "DELETE FROM shelf WHERE stream = ? RETURNING name, value", (stream,)
            ).fetchall()
        return dict(rows)

    def clear(self) -> None:
        """Take everything off the shelf."""
        with self._database:
            self._database.execute("DELETE FROM shelf")

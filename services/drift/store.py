"""Where drift keeps and finds what is not in memory: streams on a shelf, and where old interactions ran."""

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from services.drift.whereabouts import Place, Subject
from shared.clickhouse import Statements
from shared.errors import Invalid, Unavailable

log = structlog.get_logger()

_PLACES = """
SELECT tenant, interaction_id, request_model, environment
FROM leeway.interactions
WHERE tenant IN {tenants:Array(String)} AND interaction_id IN {ids:Array(String)}
"""
# So many UUIDs and names of tenants (63 characters at most) fit the 4 KB of an address; what is longer
# goes into a form, which not every store behind the HTTP interface reads.
_AT_ONCE = 32


class StoredPlaces:
    """The stored interactions as an archive of where they ran: looked up by the key of their table."""

    def __init__(self, clickhouse: Statements, deadline_seconds: float) -> None:
        self._clickhouse = clickhouse
        self._deadline_seconds = deadline_seconds

    async def places(self, subjects: Collection[Subject]) -> Mapping[Subject, Place]:
        """See `Archive.places`. A store that has no tables yet does not answer yet.

        At the deadline, what was not asked yet counts as not known. Tenants take turns, so that one with
        many questions does not keep those of the others from being asked.
        """
        places: dict[Subject, Place] = {}
        asked = _in_turn(subjects)
        answered = 0
        try:
            async with asyncio.timeout(self._deadline_seconds):
                for begin in range(0, len(asked), _AT_ONCE):
                    places |= await self._ask(asked[begin : begin + _AT_ONCE])
                    answered = begin + _AT_ONCE
        except TimeoutError as late:
            if not answered:
                raise Unavailable("ClickHouse did not say in time where calls ran.") from late
            log.warning("drift.lookup_cut", asked=len(asked), answered=answered)
        except Invalid as refused:
            raise Unavailable(f"ClickHouse refused to say: {refused.message}") from refused
        return places

    async def _ask(self, subjects: Sequence[Subject]) -> dict[Subject, Place]:
        tenants = sorted({subject.tenant for subject in subjects})
        ids = [subject.interaction_id for subject in subjects]
        rows = await self._clickhouse.query(_PLACES, {"tenants": tenants, "ids": ids})
        return {
            Subject(row["tenant"], row["interaction_id"]): Place(
                row["request_model"], row["environment"]
            )
            for row in rows
        }


def _in_turn(subjects: Collection[Subject]) -> list[Subject]:
    """One of each tenant, then the second of each, and so on."""
    of_tenants: defaultdict[str, list[Subject]] = defaultdict(list)
    for subject in sorted(subjects):
        of_tenants[subject.tenant].append(subject)
    turns = chain.from_iterable(zip_longest(*of_tenants.values()))
    return [subject for subject in turns if subject is not None]


class Shelf:
    """A SQLite file where streams rest that are not in memory: blobs by stream.

    It can be lost, for the log's state has them too. One thread at a time uses it.
    """

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

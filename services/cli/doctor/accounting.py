"""The books: what the log says, beside what is stored, once both stand still."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from services.cli.doctor.place import Place
from shared.clickhouse import ClickHouse
from shared.clock import Clock, SystemClock, micros
from shared.errors import Invalid, Unavailable
from shared.log.accounting import Cell, Entry, LogSide, books, log_side
from shared.log.file import MINUTE_US, STORING_GROUP
from shared.log.kafka.books import KEPT_HOURS, cluster_side

RECENT_HOURS = 24
MARGIN_HOURS = 1  # Kafka lets go of whole segments, whenever it comes to that
TRIES = 20
PAUSE_SECONDS = 0.5


async def settled(place: Place, hours: int | None = None) -> list[Entry]:
    """The books of the last hours, once they stand still: while facts move, the two sides are read at two moments.

    Without `hours`: all that outboxes have counted, or in a cluster the last `RECENT_HOURS`, since what was accepted
    elsewhere is counted in Kafka, which keeps it for a time. Raises `Unavailable`, and `Invalid` for more than that.
    """
    clock = SystemClock()
    since = _since(place, hours, clock)
    async with ClickHouse(place.sql) as clickhouse:
        for _ in range(TRIES):
            log = await _log(place, since)
            entries = books(log, await _stored(clickhouse, place.sql.url, since), since)
            if not any(entry.missing or entry.in_flight for entry in entries):
                return entries
            await clock.sleep(PAUSE_SECONDS)
        return entries


def show(entries: Sequence[Entry], *, as_json: bool) -> None:
    """Print the books, as a table or as one JSON object."""
    if as_json:
        told = {
            "entries": [asdict(entry) for entry in entries],
            "quarantined": sum(entry.quarantined for entry in entries),
            "ok": not any(entry.missing for entry in entries),
        }
        print(json.dumps(told))
        return
    table = Table(
        "minute", "topic", "tenant", "accepted", "stored", "quarantined", "in flight", "missing"
    )
    for e in entries:
        table.add_row(
            f"{e.minute_at:%Y-%m-%d %H:%M}",
            e.topic,
            e.tenant,
            *(str(n) for n in (e.accepted, e.stored, e.quarantined, e.in_flight, e.missing)),
        )
    Console().print(table)


def verdict(entries: Sequence[Entry]) -> str:
    """What the books say, in a sentence, with what somebody must look into."""
    missing = sum(abs(entry.missing) for entry in entries)
    quarantined = sum(entry.quarantined for entry in entries)
    sentence = f"The books do not add up by {missing}." if missing else "The books add up."
    if quarantined:
        why = "`leeway dlq list --group warehouse` says why"
        sentence += f" {quarantined} quarantined, in no table: {why}."
    return sentence


def _since(place: Place, hours: int | None, clock: Clock) -> int:
    """The minute, since the epoch, from which on both sides are whole."""
    most = KEPT_HOURS - MARGIN_HOURS
    if place.cluster is not None and hours is not None and hours > most:
        raise Invalid(
            f"Kafka keeps facts for {KEPT_HOURS} h: the books go back {most} h, not {hours}."
        )
    asked = hours if hours is not None or place.cluster is None else RECENT_HOURS
    return 0 if asked is None else micros(clock.now()) // MINUTE_US - asked * 60


async def _log(place: Place, since_minute: int) -> LogSide:
    cluster = place.cluster
    if cluster is None:
        return await asyncio.to_thread(log_side, place.data / "log")
    outboxes = [folder / "log" for folder in place.folders]
    return await cluster_side(cluster, outboxes, STORING_GROUP, since_minute * MINUTE_US)


async def _stored(clickhouse: ClickHouse, url: str, since_minute: int) -> Mapping[Cell, int]:
    try:
        rows = await clickhouse.query(
            "SELECT topic, tenant, toUnixTimestamp(minute) AS at, sum(facts) AS facts FROM leeway.stored"
            " WHERE minute >= toDateTime({since:Int64}, 'UTC') GROUP BY ALL",
            {"since": since_minute * 60},
        )
    except Unavailable as fault:
        raise Unavailable(f"{url} does not answer: is `leeway up` running?") from fault
    return {(row["topic"], row["tenant"], int(row["at"]) // 60): int(row["facts"]) for row in rows}

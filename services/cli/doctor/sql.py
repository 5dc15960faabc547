"""The SQL endpoint: whether it answers, its tables, its clock, and the books."""

from collections.abc import AsyncIterator

from services.cli.doctor.accounting import settled, verdict
from services.cli.doctor.findings import Finding, fail, ok, warn
from services.cli.doctor.place import Place
from services.warehouse.settings import Settings
from shared.clickhouse import ClickHouse
from shared.clock import Clock, micros
from shared.errors import Conflict, Invalid, Unavailable
from shared.migrations import pending, read_migrations

SKEW_SECONDS, WRONG_SECONDS = 1.0, 60.0
# Of the last day; the youngest may still be on their way through billing.
UNRATED = """
SELECT uniqExact(tenant, interaction_id) AS calls FROM leeway.interactions
WHERE _accepted_at BETWEEN now64(6) - INTERVAL 1 DAY AND now64(6) - INTERVAL 1 MINUTE
AND (tenant, interaction_id) NOT IN (SELECT tenant, interaction_id FROM leeway.usage)
"""
NOW = "SELECT toUnixTimestamp64Micro(now64(6)) AS now_us"


async def endpoint(place: Place, clock: Clock) -> AsyncIterator[Finding]:
    """Everything that is asked in SQL; nothing more once it does not answer."""
    url = place.sql.url
    async with ClickHouse(place.sql) as clickhouse:
        try:
            yield await _clocks(clickhouse, url, clock)
            yield await _tables(clickhouse)
            yield await _rated(clickhouse)
        except Unavailable as fault:
            yield fail("sql", f"{url} does not answer: is `leeway up` running? ({fault.message})")
            return
        except Invalid as refusal:
            yield fail("sql", f"{url} refuses what it is asked: {refusal.message}")
            return
    yield await _books(place)


async def _clocks(clickhouse: ClickHouse, url: str, clock: Clock) -> Finding:
    """Its clock against ours: times of acceptance are ours, those of views are its own."""
    before = micros(clock.now())
    [row] = await clickhouse.query(NOW)
    middle = (before + micros(clock.now())) / 2
    seconds = abs(int(row["now_us"]) - middle) / 1e6
    told = f"{url} answers; its clock and ours differ by {seconds:.1f} s"
    if seconds > WRONG_SECONDS:
        return fail("sql", f"{told}: set the clocks, or times of facts are wrong.")
    return (
        warn("sql", f"{told}: is time kept by NTP?")
        if seconds > SKEW_SECONDS
        else ok("sql", f"{told}.")
    )


async def _tables(clickhouse: ClickHouse) -> Finding:
    migrations = read_migrations(Settings().migrations)
    try:
        waiting = await pending(clickhouse, migrations)
    except Conflict as edited:
        return fail("tables", edited.message)
    if waiting:
        names = ", ".join(migration.name for migration in waiting)
        return fail("tables", f"Not applied: {names}. `leeway prepare`, or a start, does it.")
    return ok("tables", f"All {len(migrations)} migrations are applied.")


async def _rated(clickhouse: ClickHouse) -> Finding:
    """Every interaction has its usage, priced or not: the books count each topic by itself."""
    [row] = await clickhouse.query(UNRATED)
    calls = int(row["calls"])
    if calls:
        return fail(
            "rated", f"Of the last day's interactions {calls} have no usage: is billing behind?"
        )
    return ok("rated", "Every interaction of the last day has its usage.")


async def _books(place: Place) -> Finding:
    try:
        entries = await settled(place)
    except Unavailable as fault:
        return fail("books", f"They cannot be read: {fault.message}")
    if any(entry.missing for entry in entries):
        return fail("books", f"{verdict(entries)} `leeway doctor accounting` shows where.")
    if any(entry.in_flight for entry in entries):
        return warn("books", f"{verdict(entries)} Some facts are still in flight.")
    return ok("books", verdict(entries))

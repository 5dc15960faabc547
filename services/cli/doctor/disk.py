"""The data folder, and the outboxes in it."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.cli.doctor.findings import Finding, fail, ok, warn
from services.cli.doctor.place import Place
from services.placement import GROUPS
from shared.clock import Clock, from_micros
from shared.log.inspection import Inspected, inspect
from shared.log.kafka.relay import RELAY

GIB = 1024**3
LITTLE_BYTES, TOO_LITTLE_BYTES = 5 * GIB, GIB // 2
PATIENCE = timedelta(minutes=1)


def data_folder(data: Path) -> Finding:
    """Whether it is there, can be written, and has room left."""
    if not data.is_dir():
        return fail(
            "data", f"There is no folder {data}: `leeway up` makes it; LEEWAY_DATA names another."
        )
    try:
        with tempfile.TemporaryFile(dir=data):
            free = shutil.disk_usage(data).free
    except OSError as error:
        why = error.strerror
        return fail("data", f"{data} cannot be written ({why}): no fact can be accepted.")
    told = f"{free / GIB:.1f} GiB are free where {data} lies"
    if free < TOO_LITTLE_BYTES:
        return fail("data", f"{told}: make room, or facts will be refused.")
    if free < LITTLE_BYTES:
        return warn("data", f"{told}: make room soon.")
    return ok("data", f"{told}.")


def outboxes(place: Place, clock: Clock) -> Iterator[Finding]:
    """Whether each can be read whole, and how long what is in it has waited."""
    groups = GROUPS if place.cluster is None else (RELAY,)
    found = [one for folder in place.folders for one in inspect(folder / "log", groups)]
    if not found:
        yield warn("outboxes", "There are none yet: no process has ever started here.")
    yield from _damaged(found)
    yield from _waiting(found, clock.now())
    yield from _letters(found)


def _damaged(found: Sequence[Inspected]) -> Iterator[Finding]:
    damaged = [one for one in found if one.damage]
    for one in damaged:
        yield fail(
            "outboxes",
            f"{one.path} is damaged ({one.damage}): stop its process and keep a copy before all else.",
        )
    if found and not damaged:
        yield ok("outboxes", f"{len(found)} can be read whole.")


def _waiting(found: Sequence[Inspected], now: datetime) -> Iterator[Finding]:
    late = [one for one in found if one.waiting_since_us and _age(one, now) > PATIENCE]
    for one in late:
        at = f"{from_micros(one.waiting_since_us or 0):%H:%M:%S} UTC"
        yield warn(
            "backlog",
            f"{one.waiting} records in {one.path.name} wait for {one.slowest} since {at}: is it running?",
        )
    if found and not late:
        yield ok("backlog", f"{sum(one.waiting for one in found)} records wait, none for long.")


def _letters(found: Sequence[Inspected]) -> Iterator[Finding]:
    for one in found:
        for topic, group, letters in one.dead_letters:
            yield warn(
                "dead letters",
                f"{group} gave up on {letters} of {topic}: `leeway dlq list --group {group}` says why.",
            )


def _age(one: Inspected, now: datetime) -> timedelta:
    return now.astimezone(UTC) - from_micros(one.waiting_since_us or 0)

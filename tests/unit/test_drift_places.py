"""Feedback finds the place of its interaction: remembered within bounds, asked of the archive beyond them."""

import asyncio
from collections.abc import Mapping
from itertools import product

import pytest

from services.drift.places import PATIENCE_SECONDS, Places
from services.drift.store import StoredPlaces
from services.drift.whereabouts import ROWS_PER_PAGE, Place, Subject, Whereabouts
from shared.clickhouse import Row, Value
from shared.clock import SimulatedClock
from shared.errors import Unavailable
from tests.builders import NOW
from tests.drift import FakeArchive, Stored

HERE, THERE = Place("small", "production"), Place("large", "staging")


def entries(tenant: str, numbers: range, place: Place = HERE) -> list[tuple[Subject, Place]]:
    return [(Subject(tenant, f"i-{n}"), place) for n in numbers]


def remembered(whereabouts: Whereabouts, tenant: str, numbers: range) -> int:
    return sum(whereabouts.find(subject) is not None for subject, _ in entries(tenant, numbers))


def test_whereabouts_survive_a_restart_and_stay_bounded() -> None:
    kept, restored, stored = Whereabouts(1000, 9000), Whereabouts(1000, 9000), Stored()
    for begin in range(0, 3000, 100):
        stored.apply(kept.remember(entries("acme/x", range(begin, begin + 100))))

    restored.restore(stored.blobs)

    for one in (kept, restored):
        assert one.find(Subject("acme/x", "i-2999")) == HERE
        assert one.find(Subject("globex", "i-2999")) is None
        assert 1000 <= remembered(one, "acme/x", range(3000)) < 1000 + ROWS_PER_PAGE
    assert restored.remember(entries("acme/x", range(3000, 3300))) == kept.remember(
        entries("acme/x", range(3000, 3300))
    )


def test_a_busy_tenant_pushes_out_no_quiet_one() -> None:
    whereabouts = Whereabouts(20_000, 2000)
    whereabouts.remember(entries("quiet", range(900), THERE))

    for begin in range(0, 30_000, 500):
        whereabouts.remember(entries("busy", range(begin, begin + 500)))

    assert remembered(whereabouts, "quiet", range(900)) == 900
    assert whereabouts.find(Subject("busy", "i-29999")) == HERE
    in_all = 900 + remembered(whereabouts, "busy", range(30_000))
    assert 2000 <= in_all < 2000 + ROWS_PER_PAGE


def test_whereabouts_write_only_the_last_page_of_each_tenant_in_the_batch() -> None:
    whereabouts = Whereabouts(2000, 9000)
    whereabouts.remember(entries("acme", range(300)) + entries("globex", range(10)))

    changes = whereabouts.remember(entries("acme", range(301)))

    assert list(changes) == ["whereabouts-of/acme/2"]


def test_nothing_is_remembered_where_nothing_may_be() -> None:
    whereabouts, stored = Whereabouts(0, 0), Stored()

    stored.apply(whereabouts.remember(entries("acme", range(300))))

    assert stored.blobs == {}
    assert remembered(whereabouts, "acme", range(300)) == 0


async def test_only_what_is_not_remembered_is_asked_and_all_of_it_at_once() -> None:
    archive = FakeArchive({Subject("acme", "i-8"): THERE})
    places = Places(Whereabouts(100, 100), archive, SimulatedClock(NOW))
    places.remember(entries("acme", range(2)))
    subjects = [Subject("acme", f"i-{n}") for n in (0, 1, 8, 9)]

    found = await places.find(subjects)

    assert found == {subjects[0]: HERE, subjects[1]: HERE, subjects[2]: THERE}
    assert archive.asked == [set(subjects[2:])]
    await places.find(subjects[:2])
    assert len(archive.asked) == 1


async def test_feedback_waits_for_a_silent_archive_but_not_for_ever() -> None:
    archive, clock = FakeArchive({Subject("acme", "i-8"): THERE}), SimulatedClock(NOW)
    places = Places(Whereabouts(100, 100), archive, clock)
    archive.silent = True

    with pytest.raises(Unavailable):
        await places.find([Subject("acme", "i-8")])
    clock.advance(PATIENCE_SECONDS - 1)
    with pytest.raises(Unavailable):
        await places.find([Subject("acme", "i-8")])
    clock.advance(1)
    assert await places.find([Subject("acme", "i-8")]) == {}

    archive.silent = False
    assert await places.find([Subject("acme", "i-8")]) == {Subject("acme", "i-8"): THERE}
    archive.silent = True
    with pytest.raises(Unavailable):
        await places.find([Subject("acme", "i-8")])


class Slow:
    """A store that knows every interaction, answers the first questions, and none after them."""

    def __init__(self, answers: int) -> None:
        self.answers = answers

    async def query(self, sql: str, parameters: Mapping[str, Value] | None = None) -> list[Row]:
        if not self.answers:
            await asyncio.Event().wait()
        self.answers -= 1
        asked = parameters or {}
        tenants, ids = asked["tenants"], asked["ids"]
        assert isinstance(tenants, list)
        assert isinstance(ids, list)
        return [
            {"tenant": tenant, "interaction_id": one, "request_model": "m", "environment": "e"}
            for tenant, one in product(tenants, ids)
        ]

    async def command(self, sql: str, parameters: Mapping[str, Value] | None = None) -> None:
        await asyncio.Event().wait()


async def test_a_store_that_does_not_answer_in_time_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="in time"):
        await StoredPlaces(Slow(answers=0), 0.01).places([Subject("acme", "i-8")])


async def test_a_store_that_is_slow_answers_some_and_each_tenant_in_its_turn() -> None:
    asked = [Subject("aaa", f"a-{n}") for n in range(500)] + [Subject("zzz", "z-1")]

    found = await StoredPlaces(Slow(answers=1), 0.05).places(asked)

    assert len(found.keys() & set(asked)) == 32
    assert found[Subject("zzz", "z-1")] == Place("m", "e")

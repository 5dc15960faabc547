"""What every implementation of serving's shared state keeps, as one suite; a harness says how each is set up."""

import asyncio
from typing import Protocol

from services.serving.state.gcra import UNITS
from services.serving.state.port import Change, Draw, Place, State

LEASE_SECONDS = 0.4


class Harness(Protocol):
    """One state that several workers share."""

    async def worker(self) -> State:
        """One more worker that shares it, with a lease of `LEASE_SECONDS` on what it holds."""
        ...

    async def passes(self, seconds: float) -> None:
        """Return when so much of the state's time has passed."""
        ...


class StateSuite:
    """Subclasses give the fixture `state`."""

    async def test_a_value_is_every_workers(self, state: Harness) -> None:
        one, other = await state.worker(), await state.worker()

        await one.put("v", b"\x00\xff value", 60)

        assert await other.get("v") == b"\x00\xff value"
        assert await other.get("another") is None

    async def test_the_last_value_put_stands(self, state: Harness) -> None:
        one, other = await state.worker(), await state.worker()

        await one.put("v", b"1", 60)
        await other.put("v", b"2", 60)

        assert await one.get("v") == b"2"

    async def test_a_value_ends(self, state: Harness) -> None:
        one = await state.worker()
        await one.put("v", b"1", 0.2)

        await state.passes(0.25)

        assert await one.get("v") is None

    async def test_a_dropped_value_is_gone(self, state: Harness) -> None:
        one = await state.worker()
        await one.put("v", b"1", 60)

        await one.drop("v")
        await one.drop("never there")

        assert await one.get("v") is None

    async def test_of_many_who_claim_at_once_one_gets_it(self, state: Harness) -> None:
        workers = [await state.worker() for _ in range(3)]

        claims = await asyncio.gather(
            *(workers[n % 3].claim("c", b"%d" % n, 60) for n in range(30))
        )

        won = [n for n, claim in enumerate(claims) if claim.found is None]
        assert len(won) == 1
        assert {claim.found for claim in claims} == {None, b"%d" % won[0]}

    async def test_a_claim_ends_with_its_lease_and_the_next_has_a_larger_fence(
        self, state: Harness
    ) -> None:
        one, other = await state.worker(), await state.worker()
        first = await one.claim("c", b"1", 0.2)

        await state.passes(0.25)
        second = await other.claim("c", b"2", 60)

        assert second.found is None
        assert second.fence > first.fence

    async def test_who_lost_a_claim_changes_nothing_any_more(self, state: Harness) -> None:
        one, other = await state.worker(), await state.worker()
        lost = await one.claim("c", b"1", 0.2)
        await state.passes(0.25)
        await other.claim("c", b"2", 60)

        assert not await one.replace("c", lost.fence, b"late", 60)
        assert not await one.release("c", lost.fence)
        assert await one.get("c") == b"2"

    async def test_a_claim_that_is_renewed_lasts(self, state: Harness) -> None:
        one, other = await state.worker(), await state.worker()
        held = await one.claim("c", b"1", 0.4)

        await state.passes(0.25)
        assert await one.replace("c", held.fence, b"still", 60)
        await state.passes(0.25)

        assert (await other.claim("c", b"2", 60)).found == b"still"

    async def test_a_released_claim_is_free(self, state: Harness) -> None:
        one, other = await state.worker(), await state.worker()
        held = await one.claim("c", b"1", 60)

        assert await one.release("c", held.fence)

        assert (await other.claim("c", b"2", 60)).found is None

    async def test_a_meter_lets_pass_what_it_holds_whoever_draws(self, state: Harness) -> None:
        workers = [await state.worker() for _ in range(3)]

        taken = await asyncio.gather(
            *(workers[n % 3].take([Draw("m", 1, 10)], []) for n in range(30))
        )

        assert sum(each.admitted for each in taken) == 10

    async def test_a_meter_drains_with_time(self, state: Harness) -> None:
        one, other = await state.worker(), await state.worker()
        per_minute = 6_000  # one each 10 ms
        await one.take([Draw("m", per_minute, per_minute)], [])
        assert not (await other.take([Draw("m", per_minute, per_minute)], [])).admitted

        await state.passes(0.1)

        assert (await other.take([Draw("m", 10, per_minute)], [])).admitted

    async def test_a_refused_draw_says_how_full_each_meter_is(self, state: Harness) -> None:
        one = await state.worker()
        await one.take([Draw("m", 1, 1)], [])

        refused = await one.take([Draw("m", 1, 1), Draw("other", 5, 10)], [])

        assert not refused.admitted
        assert 0 < refused.fills[0] <= UNITS
        assert refused.fills[1] == 0

    async def test_all_draws_and_places_are_taken_or_none(self, state: Harness) -> None:
        one = await state.worker()
        await one.beat()
        await one.take([], [Place("p", 1)])

        refused = await one.take([Draw("m", 1, 1)], [Place("q", 1), Place("p", 1)])
        await one.give([], ["p"])
        admitted = await one.take([Draw("m", 1, 1)], [Place("q", 1), Place("p", 1)])

        assert not refused.admitted
        assert refused.busy == [0, 1]
        assert admitted.admitted
        assert admitted.busy == [1, 1]

    async def test_a_meter_of_nothing_lets_nothing_pass(self, state: Harness) -> None:
        one = await state.worker()
        await one.beat()

        assert not (await one.take([Draw("m", 0, 0)], [])).admitted
        assert not (await one.take([], [Place("p", 0)])).admitted

    async def test_what_is_given_back_may_be_drawn_again(self, state: Harness) -> None:
        one, other = await state.worker(), await state.worker()
        await one.take([Draw("m", 10, 10)], [])

        await other.give([Change("m", 10, -4 * UNITS)], [])

        assert (await one.take([Draw("m", 4, 10)], [])).admitted
        assert not (await one.take([Draw("m", 1, 10)], [])).admitted

    async def test_what_was_used_beyond_a_draw_is_owed(self, state: Harness) -> None:
        one = await state.worker()
        await one.take([Draw("m", 1, 10)], [])

        await one.give([Change("m", 10, 50 * UNITS)], [])

        refused = await one.take([Draw("m", 1, 10)], [])
        assert not refused.admitted
        assert refused.fills[0] // UNITS in {50, 51}

    async def test_large_meters_are_exact(self, state: Harness) -> None:
        one = await state.worker()
        per_minute = 150_000_000

        taken = await one.take([Draw("m", per_minute, per_minute)], [])

        assert taken.fills == [per_minute * UNITS]

    async def test_places_are_counted_over_all_workers(self, state: Harness) -> None:
        workers = [await state.worker() for _ in range(3)]
        for worker in workers:
            await worker.beat()

        taken = [await workers[n % 3].take([], [Place("p", 4)]) for n in range(6)]
        await workers[0].give([], ["p"])
        again = await workers[1].take([], [Place("p", 4)])

        assert [each.admitted for each in taken] == [True] * 4 + [False] * 2
        assert again.admitted

    async def test_a_place_is_counted_from_the_first_that_a_worker_takes(
        self, state: Harness
    ) -> None:
        one, other = await state.worker(), await state.worker()

        first = await one.take([], [Place("p", 1)])
        second = await other.take([], [Place("p", 1)])

        assert first.admitted
        assert not second.admitted

    async def test_who_was_taken_for_dead_and_takes_again_is_counted_again(
        self, state: Harness
    ) -> None:
        frozen, fresh = await state.worker(), await state.worker()
        await frozen.beat()
        await state.passes(LEASE_SECONDS + 0.1)

        taken = [await worker.take([], [Place("p", 2)]) for worker in (frozen, fresh, frozen)]

        assert [each.admitted for each in taken] == [True, True, False]

    async def test_the_places_of_a_dead_worker_come_back(self, state: Harness) -> None:
        dead, other = await state.worker(), await state.worker()
        assert await dead.beat() == 1
        assert await other.beat() == 2
        await dead.take([], [Place("p", 1)])

        await state.passes(LEASE_SECONDS + 0.1)

        assert await other.beat() == 1
        assert (await other.take([], [Place("p", 1)])).admitted

    async def test_the_places_of_a_worker_that_beats_stay(self, state: Harness) -> None:
        one, other = await state.worker(), await state.worker()
        await one.beat()
        await one.take([], [Place("p", 1)])

        for _ in range(3):
            await state.passes(LEASE_SECONDS / 2)
            await one.beat()
        await other.beat()

        assert not (await other.take([], [Place("p", 1)])).admitted

    async def test_a_worker_that_comes_in_the_place_of_a_dead_one_holds_nothing(
        self, state: Harness
    ) -> None:
        dead = await state.worker()
        await dead.beat()
        await dead.take([], [Place("p", 1)])
        await state.passes(LEASE_SECONDS + 0.1)

        fresh = await state.worker()
        await fresh.beat()

        assert (await fresh.take([], [Place("p", 1)])).admitted

    async def test_who_was_taken_for_dead_gives_back_no_others_place(self, state: Harness) -> None:
        frozen, fresh = await state.worker(), await state.worker()
        await frozen.beat()
        await frozen.take([], [Place("p", 1)])
        await state.passes(LEASE_SECONDS + 0.1)
        await fresh.beat()
        await fresh.take([], [Place("p", 1)])

        await frozen.give([], ["p"])

        assert not (await fresh.take([], [Place("p", 1)])).admitted

"""Asking upstreams that are in trouble: open breakers, no free slot, keys that are refused."""

import asyncio

import pytest

from services.serving.domain.failure import UpstreamFailed, unreachable
from services.serving.routing.breaker import BreakerLimits
from services.serving.routing.upstream import RoutingLimits
from shared.errors import Invalid
from shared.live import Provider, Route
from tests.routed import ANSWER, House, an_entry, failing, in_order, read_out
from tests.waiting import until

A, B = Route("a", "x"), Route("b", "x")


class TestBreaker:
    """An upstream that fails is left alone."""

    limits = RoutingLimits(breaker=BreakerLimits(consecutive=3, open_seconds=5.0))

    async def opened(self, *routes: Route) -> House:
        house = in_order(*routes, retries=0, limits=self.limits)
        house.providers["a"].script = [failing(500)] * 3
        for _ in range(3):
            await house.ask_quietly()
        return house

    async def test_an_open_breaker_sends_calls_elsewhere_and_back_once_it_has_closed(self) -> None:
        house = await self.opened(A, B)
        await house.ask(an_entry(session="s"))
        assert (len(house.providers["a"].asked), len(house.providers["b"].asked)) == (3, 4)

        house.clock.advance(5)
        await house.ask(an_entry(session="s"))
        assert len(house.providers["a"].asked) == 4

    async def test_without_another_route_it_refuses_and_says_when_it_may_be_asked(self) -> None:
        house = await self.opened(A)
        house.clock.advance(1)

        with pytest.raises(UpstreamFailed) as refused:
            await house.ask()

        assert (refused.value.status, refused.value.code) == (503, "upstream_resting")
        assert refused.value.headers["retry-after"] == "4"
        assert len(house.providers["a"].asked) == 3

    async def test_half_open_lets_one_call_through_and_the_others_go_elsewhere(self) -> None:
        house = await self.opened(A, B)
        house.clock.advance(5)
        held = asyncio.Event()
        house.providers["a"].script = [held]

        calls = [asyncio.create_task(house.ask()) for _ in range(10)]
        await until(lambda: sum(call.done() for call in calls) == 9)
        held.set()
        await asyncio.gather(*calls)

        assert (len(house.providers["a"].asked), len(house.providers["b"].asked)) == (4, 12)

    async def test_a_stream_that_is_cut_counts_against_its_upstream(self) -> None:
        house = in_order(A, retries=0, limits=self.limits)
        for _ in range(3):
            house.providers["a"].script = [0.0, unreachable("a", "broke its reply off")]
            stream = await house.begin(an_entry(streaming=True))
            with pytest.raises(UpstreamFailed):
                await read_out(stream)

        with pytest.raises(UpstreamFailed, match="failed too often"):
            await house.ask()


class TestSlots:
    """No more calls at once than an upstream takes."""

    def house(self, *routes: Route, **options: object) -> House:
        entry = Provider("a", "openai", options={"max_concurrency": 1, **options})
        return in_order(*routes, entries={"a": entry}, limits=RoutingLimits(queue_seconds=30.0))

    async def test_a_full_upstream_sends_calls_elsewhere(self) -> None:
        house, held = self.house(A, B), asyncio.Event()
        house.providers["a"].script = [held]

        first = asyncio.create_task(house.ask())
        await until(lambda: bool(house.providers["a"].asked))
        await house.ask()
        held.set()
        await first

        assert (len(house.providers["a"].asked), len(house.providers["b"].asked)) == (1, 1)

    async def test_without_another_route_a_few_wait_and_more_are_refused(self) -> None:
        house, held = self.house(A), asyncio.Event()
        house.providers["a"].script = [held]
        first = asyncio.create_task(house.ask())
        await until(lambda: bool(house.providers["a"].asked))
        second = asyncio.create_task(house.ask())
        await until(lambda: not house.upstreams.pool(A).upstreams[0].slots.has_room)

        with pytest.raises(UpstreamFailed) as refused:
            await house.ask()
        held.set()

        assert (refused.value.status, refused.value.code) == (503, "upstream_busy")
        answers = await asyncio.gather(first, second)
        assert answers[0] is answers[1] is ANSWER

    async def test_a_stream_holds_its_slot_until_it_is_read_or_closed(self) -> None:
        house = self.house(A)
        slots = house.upstreams.pool(A).upstreams[0].slots

        read = await house.begin(an_entry(streaming=True))
        assert not slots.free
        assert [event.final for event in await read_out(read)] == [True]
        assert slots.free

        closed = await house.begin(an_entry(streaming=True))
        assert not slots.free
        await closed.aclose()
        assert slots.free

    @pytest.mark.parametrize("failure", [failing(500), Invalid("cannot be said")])
    async def test_whatever_ends_a_try_gives_its_slot_back(self, failure: UpstreamFailed) -> None:
        house = self.house(A)
        house.providers["a"].script = [failure]

        call = asyncio.create_task(house.ask())
        await house.passing(call)

        assert house.upstreams.pool(A).upstreams[0].slots.free
        assert house.upstreams.pool(A).upstreams[0].in_flight == 0

    async def test_a_client_that_leaves_gives_the_slot_back(self) -> None:
        house = self.house(A)
        house.providers["a"].script = [asyncio.Event()]
        call = asyncio.create_task(house.ask())
        await until(lambda: bool(house.providers["a"].asked))

        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

        assert house.providers["a"].cancelled == 1
        assert house.upstreams.pool(A).upstreams[0].slots.free


class TestKeys:
    """A pool of keys."""

    entry = Provider("a", "openai", options={"api_keys": ["${KEY_A}", "${KEY_B}"]})

    @pytest.mark.parametrize("status", [401, 403, 429])
    async def test_another_key_is_asked_with_where_one_is_refused(self, status: int) -> None:
        house = in_order(A, B, retries=0, entries={"a": self.entry})
        house.providers["a"].script = [failing(status, retry_after="30")]

        await house.ask()
        house.trail.end(house.clock.now(), "ok", 200)

        assert [ask.key for ask in house.providers["a"].asked] == [0, 1]
        assert house.providers["b"].asked == []
        keys = [attempt.key for attempt in house.trail.made]
        assert len(set(keys)) == 2
        assert all(len(key) == 8 for key in keys)

    async def test_the_only_key_that_is_refused_is_asked_with_again(self) -> None:
        house = in_order(A)
        house.providers["a"].script = [failing(401), failing(401)]

        for _ in range(2):
            with pytest.raises(UpstreamFailed) as refused:
                await house.ask()
            assert refused.value.code == "upstream_denied"

        assert await house.ask() is ANSWER

    async def test_a_key_that_was_refused_comes_after_every_other_route(self) -> None:
        house = in_order(A, B)
        house.providers["a"].script = [failing(401)]

        for _ in range(3):
            await house.ask()

        assert (len(house.providers["a"].asked), len(house.providers["b"].asked)) == (1, 3)

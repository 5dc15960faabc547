"""Asking upstreams for a call: what is tried next, what is waited for, and what of it is recorded."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from services.serving.domain.failure import (
    UpstreamFailed,
    malformed,
    overdue,
    timed_out,
    unreachable,
)
from services.serving.routing.breaker import BreakerLimits
from services.serving.routing.retries import RetryLimits
from services.serving.routing.upstream import RoutingLimits
from shared.live import Route
from tests.routed import ANSWER, an_entry, failing, in_order, read_out
from tests.waiting import until

A, B, C = Route("a", "x"), Route("b", "x"), Route("c", "x")
DROPPED = unreachable("a", "closed the connection", dropped=True)


async def test_the_first_route_answers_and_its_attempt_stays_open_until_the_call_ends() -> None:
    house = in_order(A, B)

    assert await house.ask() is ANSWER

    assert house.tried == []
    house.trail.end(house.clock.now(), "ok", 200)
    assert house.tried == [("a", "ok")]
    assert house.providers["b"].asked == []


@pytest.mark.parametrize(
    "failure",
    [failing(500), failing(401), failing(404), failing(429, retry_after="9"), timed_out("a")],
)
async def test_another_route_answers_at_once_where_one_fails(failure: UpstreamFailed) -> None:
    house = in_order(A, B)
    house.providers["a"].script = [failure]

    assert await house.ask() is ANSWER

    house.trail.end(house.clock.now(), "ok", 200)
    assert house.tried == [("a", "error"), ("b", "ok")]
    assert house.clock.monotonic() == 0.0


async def test_a_request_that_is_wrong_is_asked_nowhere_else() -> None:
    house = in_order(A, B)
    house.providers["a"].script = [failing(400)]

    with pytest.raises(UpstreamFailed, match="status 400"):
        await house.ask()

    assert house.providers["b"].asked == []


async def test_a_request_that_is_too_long_is_asked_where_more_can_be_read() -> None:
    small, same, large = (
        Route("a", "x", max_input_tokens=1_000),
        Route("b", "x", max_input_tokens=1_000),
        Route("c", "x", max_input_tokens=9_000),
    )
    house = in_order(small, same, large)
    said = b'{"error": {"code": "context_length_exceeded"}}'
    house.providers["a"].script = [failing(400, said)]

    assert await house.ask() is ANSWER

    assert house.tried == [("a", "error")]
    assert len(house.providers["c"].asked) == 1


async def test_the_last_failure_is_told_when_every_route_fails() -> None:
    house = in_order(A, B, retries=0)
    house.providers["a"].script = [failing(500)]
    house.providers["b"].script = [failing(503, retry_after="30")]

    with pytest.raises(UpstreamFailed) as failed:
        await house.ask()

    assert (failed.value.status, failed.value.headers) == (503, {"retry-after": "30"})
    assert house.tried == [("a", "error"), ("b", "error")]


@pytest.mark.parametrize(("most", "asked"), [(1, 1), (2, 2), (5, 3)])
async def test_a_call_is_tried_as_often_as_it_may_and_no_more(most: int, asked: int) -> None:
    house = in_order(A, B, C, retries=0, max_attempts=most)
    for provider in house.providers.values():
        provider.script = [failing(500)] * 9

    with pytest.raises(UpstreamFailed):
        await house.ask()

    assert len(house.tried) == asked


class TestRetries:
    """The same upstream once more, after a while."""

    async def test_a_failure_that_can_pass_is_tried_again_after_a_backoff(self) -> None:
        house = in_order(A)
        house.providers["a"].script = [failing(500)]

        call = asyncio.create_task(house.ask())
        await until(lambda: bool(house.tried))
        assert len(house.providers["a"].asked) == 1
        house.clock.advance(0.1)

        assert await call is ANSWER
        assert len(house.providers["a"].asked) == 2

    @pytest.mark.parametrize(
        ("failure", "asked"),
        [
            (failing(500, x_should_retry="false"), 1),
            (failing(503, retry_after="5"), 1),
            (failing(429), 1),
            (timed_out("a"), 1),
            (malformed("a", "babbles"), 1),
            (failing(503), 2),
            (unreachable("a", "is gone"), 2),
        ],
    )
    async def test_only_what_can_pass_soon_is_tried_again(
        self, failure: UpstreamFailed, asked: int
    ) -> None:
        house = in_order(A)
        house.providers["a"].script = [failure] * 9

        call = asyncio.create_task(house.ask())
        await house.passing(call)

        assert isinstance(call.exception(), UpstreamFailed)
        assert len(house.providers["a"].asked) == asked

    async def test_a_short_retry_after_is_waited_for_before_another_route_is_asked(self) -> None:
        house = in_order(A, B)
        house.providers["a"].script = [failing(429, retry_after_ms="800", retry_after="1")]

        call = asyncio.create_task(house.ask())
        await until(lambda: bool(house.tried))
        house.clock.advance(0.79)
        await asyncio.sleep(0)
        assert not call.done()
        house.clock.advance(0.01)

        assert await call is ANSWER
        assert (len(house.providers["a"].asked), house.providers["b"].asked) == (2, [])

    async def test_a_long_retry_after_sends_the_call_and_the_next_ones_elsewhere(self) -> None:
        house = in_order(A, B)
        house.providers["a"].script = [failing(429, retry_after="20")]

        await house.ask()
        await house.ask()
        assert (len(house.providers["a"].asked), len(house.providers["b"].asked)) == (1, 2)

        house.clock.advance(20)
        await house.ask()
        assert len(house.providers["a"].asked) == 2

    async def test_a_limited_upstream_that_is_the_only_one_is_left_alone_as_it_asks(self) -> None:
        house = in_order(A)
        house.providers["a"].script = [failing(429, retry_after="20")]
        with pytest.raises(UpstreamFailed):
            await house.ask()
        house.clock.advance(4.5)

        with pytest.raises(UpstreamFailed) as refused:
            await house.ask()

        assert (refused.value.status, refused.value.code) == (429, "upstream_limited")
        assert refused.value.headers == {"retry-after": "16", "retry-after-ms": "15500"}
        assert house.tried == []

    async def test_a_dropped_connection_is_asked_once_more_for_nothing(self) -> None:
        house = in_order(A, B, retries=0, limits=RoutingLimits(retries=RetryLimits(floor=0)))
        house.providers["a"].script = [DROPPED, DROPPED]

        await house.ask()

        assert house.tried == [("a", "error"), ("a", "error")]
        assert len(house.providers["b"].asked) == 1

    async def test_a_retry_that_the_budget_forbids_is_not_made(self) -> None:
        house = in_order(A, limits=RoutingLimits(retries=RetryLimits(share=0.0, floor=1)))
        house.providers["a"].script = [failing(500)] * 9

        for asked in (2, 3):  # the first call's retry has spent it
            call = asyncio.create_task(house.ask())
            await house.passing(call)
            assert isinstance(call.exception(), UpstreamFailed)
            assert len(house.providers["a"].asked) == asked

    @given(st.lists(st.sampled_from(["ok", "500", "503", "dropped", "429"]), max_size=60))
    def test_retries_stay_within_the_budget_whatever_fails(self, kinds: list[str]) -> None:
        failures: Mapping[str, UpstreamFailed] = {
            "500": failing(500),
            "503": failing(503, retry_after="1"),
            "429": failing(429, retry_after="1"),
            "dropped": DROPPED,
        }

        async def calls() -> None:
            breaker = BreakerLimits(consecutive=10_000, min_calls=10_000)
            limits = RoutingLimits(breaker, RetryLimits(window_seconds=1e6))
            house = in_order(A, retries=10, max_attempts=20, limits=limits)
            asked = dropped = 0
            for kind in kinds:
                asked += 1
                house.providers["a"].script = [failures[kind]] * 3 if kind in failures else []
                dropped += kind == "dropped"
                await house.passing(asyncio.create_task(house.ask_quietly()))
                house.clock.advance(60)
            retries = len(house.providers["a"].asked) - asked - dropped
            assert retries <= 3 + 0.2 * asked

        asyncio.run(calls())


class TestDeadline:
    """What a client gives a whole call."""

    async def test_a_call_that_takes_longer_is_refused_and_its_upstream_left(self) -> None:
        house = in_order(A, B)
        house.providers["a"].script = [asyncio.Event()]

        with pytest.raises(UpstreamFailed) as refused:
            await house.ask(an_entry(timeout_seconds=0.01))

        assert (refused.value.status, refused.value.code) == (504, "deadline_exceeded")
        assert house.providers["a"].cancelled == 1
        house.trail.end(house.clock.now(), "error", 0, refused.value.error_type)
        assert [attempt.error_type for attempt in house.trail.made] == ["deadline_exceeded"]

    async def test_it_holds_for_a_stream_that_has_begun(self) -> None:
        house = in_order(A)
        house.providers["a"].script = [0.0, asyncio.Event()]
        stream = await house.begin(an_entry(streaming=True, timeout_seconds=0.05))

        with pytest.raises(UpstreamFailed, match=overdue().message):
            await read_out(stream)

        assert house.upstreams.pool(A).upstreams[0].in_flight == 0


async def test_a_provider_that_is_not_there_is_an_attempt_that_holds_nothing() -> None:
    house = in_order(A, B)
    gone = UpstreamFailed("There is no provider.", code="provider_misconfigured", status=503)
    house.missing = {"a": gone}

    assert await house.ask() is ANSWER

    assert [attempt.error_type for attempt in house.trail.made] == ["provider_misconfigured"]
    upstream = house.upstreams.pool(A).upstreams[0]
    assert (upstream.in_flight, upstream.breaker.state(0.0)) == (0, "closed")


async def test_what_failed_by_its_status_cost_nothing_and_what_broke_off_is_not_known() -> None:
    house = in_order(A, B, C, retries=0)
    house.providers["a"].script = [failing(500)]
    house.providers["b"].script = [malformed("b", "babbles")]

    await house.ask()

    assert [attempt.cost_usd for attempt in house.trail.made] == [Decimal(0), None]


async def test_tries_are_counted_by_how_they_ended() -> None:
    routes = [Route(name, "counted") for name in ("a", "b")]
    house = in_order(*routes, retries=0)
    house.providers["a"].script = [failing(500), failing(429), timed_out("a")]
    for _ in range(4):
        await house.ask()
        house.clock.advance(2)

    def counted(provider: str, outcome: str) -> float | None:
        labels = {"provider": provider, "model": "counted", "key": "", "outcome": outcome}
        return REGISTRY.get_sample_value("leeway_upstream_calls_total", labels)

    outcomes = ("failed", "limited", "timed_out", "ok", "left")
    assert [counted("a", outcome) for outcome in outcomes] == [1, 1, 1, 1, None]
    assert counted("b", "ok") == 3

"""The cache as calls use it, with policies as the registry tells them."""

from dataclasses import replace
from typing import Any

import pytest

from services.serving.cache.answers import Outcome
from services.serving.cache.port import Part
from services.serving.domain.answer import Answer
from services.serving.domain.body import parse_body
from services.serving.domain.request import Kind
from shared.clock import SimulatedClock
from shared.errors import Invalid
from shared.interactions import Context
from tests.builders import NOW, a_caller
from tests.caching import COST, TREE, Away, a_house, a_request, answer, ended, parts
from tests.gateway import tell


async def test_the_same_request_is_given_the_answer_and_told_how_old_it_is() -> None:
    house = a_house()

    first = await house.keep()
    house.clock.advance(7)
    second = await house.look(a_request())

    assert first.outcome is Outcome.MISS
    assert first.headers == {"x-leeway-cache": "miss"}
    assert second.outcome is Outcome.HIT
    assert second.headers == {"x-leeway-cache": "hit", "age": "7"}
    assert second.hit is not None
    assert (second.hit.how, second.hit.saved_usd) == ("exact", COST)
    assert second.hit.reply().tree == TREE


async def test_without_a_policy_nothing_is_kept_and_nothing_told() -> None:
    house = a_house({})

    look = await house.keep()

    assert (look.outcome, look.headers, look.place) == (Outcome.OFF, {}, None)
    assert await house.memory.forget("acme") == 0


async def test_an_answer_ends_with_its_time() -> None:
    house = a_house()
    await house.keep()

    house.clock.advance(60)

    assert (await house.look()).outcome is Outcome.MISS


async def test_a_shorter_time_holds_for_what_was_kept_before() -> None:
    house = a_house({"exact_seconds": 60})
    await house.keep()

    tell(house.live, "tenant", "acme", {"content": "full", "policy": {"cache": {"exact_seconds": 5}}})  # fmt: skip
    house.clock.advance(6)

    assert (await house.look()).outcome is Outcome.MISS


async def test_no_other_tenant_project_or_prompt_shares_an_answer() -> None:
    house = a_house()
    await house.keep()

    looks = [
        await house.look(caller=a_caller(tenant="umbrella")),
        await house.look(caller=a_caller(project="other")),
        await house.look(context=Context(prompt_name="p", prompt_version="1")),
    ]

    assert [look.outcome for look in looks] == [Outcome.MISS] * 3
    assert (await house.look(caller=a_caller(key_id="k2", environment="staging"))).hit is not None
    assert (await house.look(context=Context(session_id="s2", user_id="bob"))).hit is not None


@pytest.mark.parametrize(
    "policy",
    [
        {"models": ["gpt"]},
        {"guardrails": [{"kind": "pii"}]},
        {"max_output_tokens": 5},
    ],
)
async def test_a_policy_that_shows_something_else_shares_nothing(policy: dict[str, Any]) -> None:
    house = a_house()
    await house.keep()

    tell(house.live, "project", "acme/default", {"policy": policy})

    assert (await house.look()).outcome is Outcome.MISS


async def test_a_policy_that_only_limits_shares_everything() -> None:
    house = a_house()
    await house.keep()

    policy = {"limits": {"requests_per_minute": 5}, "max_cost_usd": "1"}
    tell(house.live, "project", "acme/default", {"policy": policy})

    assert (await house.look()).hit is not None


async def test_other_upstreams_share_nothing() -> None:
    house = a_house()
    await house.keep()
    routes = [{"provider": "stub", "model": "gpt-1"}]
    own = {"provider": "other", "model": "gpt-2", "tenants": ["acme"]}
    tagged = {"provider": "other", "model": "gpt-3", "tags": ["region=eu"]}
    foreign = {"provider": "other", "model": "gpt-4", "tenants": ["umbrella"]}

    tell(house.live, "model", "gpt", {"routes": [*routes, foreign, tagged]})
    with_a_foreign_one = await house.look()
    with_its_tag = await house.look(context=Context(tags={"region": "eu"}))
    tell(house.live, "model", "gpt", {"routes": [*routes, own]})
    with_its_own = await house.look()

    assert with_a_foreign_one.hit is not None
    assert with_its_tag.outcome is Outcome.MISS
    assert with_its_own.outcome is Outcome.MISS


async def test_a_stream_and_a_whole_answer_are_apart() -> None:
    house = a_house()
    await house.keep()

    assert (await house.look(a_request(stream=True))).outcome is Outcome.MISS


async def test_no_cache_asks_anew_and_keeps_what_it_is_answered() -> None:
    house = a_house()
    await house.keep()
    house.clock.advance(30)

    look = await house.keep(control="no-cache")
    house.clock.advance(40)

    assert (look.outcome, look.headers) == (Outcome.BYPASS, {"x-leeway-cache": "bypass"})
    assert (await house.look()).headers == {"x-leeway-cache": "hit", "age": "40"}


async def test_no_store_asks_anew_and_keeps_nothing() -> None:
    house = a_house()

    look = await house.keep(control="no-store")

    assert (look.outcome, look.place) == (Outcome.BYPASS, None)
    assert (await house.look()).outcome is Outcome.MISS


async def test_max_age_bounds_how_old_an_answer_may_be() -> None:
    house = a_house()
    await house.keep()
    house.clock.advance(10)

    assert (await house.look(control="max-age=10")).hit is not None
    assert (await house.look(control="max-age=9")).outcome is Outcome.MISS


@pytest.mark.parametrize("policy", [None, {}])
async def test_only_if_cached_is_refused_where_nothing_is(policy: dict[str, Any] | None) -> None:
    house = a_house(policy)

    with pytest.raises(Invalid) as raised:
        await house.look(control="only-if-cached")

    assert (raised.value.status, raised.value.code) == (504, "not_cached")


async def test_only_if_cached_is_given_what_is_there() -> None:
    house = a_house()
    await house.keep()

    assert (await house.look(control="only-if-cached")).hit is not None


@pytest.mark.parametrize(
    ("answered", "whole"),
    [
        (ended("stop"), True),
        (ended("tool_calls"), True),
        (ended("stop", "stop"), True),
        (ended("length"), False),
        (ended("content_filter"), False),
        (ended("stop", "length"), False),
        (ended("stop", None), False),
        (ended(None), False),
        (ended(), False),
    ],
)
async def test_only_a_whole_answer_is_kept(answered: Answer, whole: bool) -> None:
    house, request = a_house(), a_request()

    await house.cache.keep(await house.look(request), parts(request), answered, COST)

    assert ((await house.look(request)).hit is not None) is whole


async def test_what_is_larger_than_one_answer_may_be_is_not_kept() -> None:
    house, request = a_house(), a_request()

    await house.cache.keep(await house.look(request), [Part(b"x" * 10_000)], answer(), COST)

    assert (await house.look(request)).outcome is Outcome.MISS


async def test_vectors_are_kept_at_no_temperature() -> None:
    house = a_house({"exact_seconds": 60, "exact_max_temperature": 0})
    request = replace(a_request(kind=Kind.EMBEDDING), body=parse_body(b'{"input":"text"}'))

    await house.cache.keep(await house.look(request), parts(request), answer({}), COST)

    assert (await house.look(request)).hit is not None
    assert (await house.look(a_request())).outcome is Outcome.BYPASS
    assert (await house.look(a_request(temperature=0))).outcome is Outcome.MISS


async def test_what_cannot_be_compared_passes_by() -> None:
    house = a_house()

    look = await house.keep(a_request(previous_response_id="r1"))

    assert (look.outcome, look.place) == (Outcome.BYPASS, None)


@pytest.mark.parametrize("content", ["redacted", "hash", "none"])
async def test_what_a_tenant_lets_nobody_store_stays_in_memory(content: str) -> None:
    house = a_house(content=content)

    await house.keep()

    assert (await house.look()).hit is not None
    assert await house.shared.forget("acme") == 0
    assert await house.memory.forget("acme") == 1


async def test_what_may_be_stored_is_shared() -> None:
    house = a_house(content="full")

    await house.keep()

    assert await house.memory.forget("acme") == 0
    assert await house.shared.forget("acme") == 1


async def test_a_call_goes_on_where_answers_cannot_be_reached() -> None:
    house = a_house(shared=Away(SimulatedClock(NOW), capacity_bytes=1, questions=1))

    look = await house.keep()
    anew = await house.keep(control="no-cache")

    assert (look.outcome, look.headers) == (Outcome.BYPASS, {"x-leeway-cache": "bypass"})
    assert anew.place is not None


async def test_a_subject_and_a_tenant_are_forgotten() -> None:
    house = a_house()
    for user in ("ann", "bob", ""):
        await house.keep(a_request(f"I am {user}."), context=Context(user_id=user))
    await house.keep(caller=a_caller(tenant="umbrella"))

    assert await house.cache.forget("acme", "ann") == 1
    assert await house.cache.forget("acme") == 2
    assert (await house.look(caller=a_caller(tenant="umbrella"))).hit is not None


async def test_a_clock_that_went_back_makes_no_answer_younger_than_now() -> None:
    house = a_house()
    await house.keep()
    house.clock.advance(-5)

    assert (await house.look()).headers["age"] == "0"

"""Interactions in, rated usage out: one fact each, the same fact for the same interaction."""

from dataclasses import replace
from decimal import Decimal

import pytest

from leeway_pb.v1.interaction_pb2 import Attempt
from leeway_pb.v1.usage_pb2 import UsageRated

from services.billing.served import Served
from services.billing.stream import Rater
from shared.clock import SimulatedClock, micros
from shared.config import Config
from shared.ids import derived_id
from shared.log.record import Effect, Record
from shared.prices.seed import installed_book, read_seed
from tests.builders import INTERACTION_ID, NOW, a_fact, a_record, an_interaction_completed

USAGE = '{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}'
BOOK = installed_book(Config(), read_seed())


def a_rater() -> Rater:
    return Rater(BOOK, Served(1_000), SimulatedClock(NOW))


async def usage_of(**changes: object) -> UsageRated:
    told = {"usage_json": USAGE, "usage_dialect": "openai", **changes}
    record = a_record(a_fact(an_interaction_completed(**told)))
    effect = await a_rater().handle([record])
    assert not effect.dead_letters
    return UsageRated.FromString(effect.facts[0].value)


async def test_an_interaction_becomes_an_exactly_rated_usage() -> None:
    usage = await usage_of(tags={"team": "search"})

    assert usage == UsageRated(
        usage_id=INTERACTION_ID,
        interaction_id=INTERACTION_ID,
        tenant="acme",
        project="default",
        environment="production",
        key_id="k0000001",
        provider="demo",
        request_model="demo",
        response_model="demo-1",
        status="priced",
        cost_usd="0.00000225",
        tokens={"fresh_input": "7", "output": "2"},
        cost_by_class_usd={"fresh_input": "0.00000105", "output": "0.0000012"},
        price_ids={
            "fresh_input": "genai-prices-0.2.3/demo/demo/default/always/0/fresh_input",
            "output": "genai-prices-0.2.3/demo/demo/default/always/0/output",
        },
        started_at_us=micros(NOW) - 1_000_000,
        rated_at_us=micros(NOW),
        tags={"team": "search"},
    )


async def test_a_repeated_interaction_is_charged_once() -> None:
    interaction = an_interaction_completed(usage_json=USAGE, usage_dialect="openai")
    records = [a_record(a_fact(interaction), seq=seq) for seq in (1, 2)]

    together = await a_rater().handle(records)
    later = await a_rater().handle(records[1:])

    assert len(together.facts) == 1
    assert together.facts[0] == later.facts[0]
    assert together.facts[0].event_id == derived_id("usage", "acme", INTERACTION_ID)


async def test_two_tenants_with_the_same_id_are_charged_each() -> None:
    told = {"usage_json": USAGE, "usage_dialect": "openai"}
    interactions = [an_interaction_completed(tenant=tenant, **told) for tenant in ("acme", "beta")]

    effect = await a_rater().handle([a_record(a_fact(each)) for each in interactions])

    assert [(fact.key, fact.event_id) for fact in effect.facts] == [
        (tenant, derived_id("usage", tenant, INTERACTION_ID)) for tenant in ("acme", "beta")
    ]


async def test_the_upstream_that_answered_is_the_one_that_is_priced() -> None:
    attempts = [
        Attempt(provider="anthropic", model="claude-opus-4-5", status="error"),
        Attempt(provider="openai", model="gpt-4o-mini", status="ok"),
    ]

    usage = await usage_of(provider="openai", response_model="unheard-of", attempts=attempts)

    assert Decimal(usage.cost_usd) == (7 * Decimal("0.15") + 2 * Decimal("0.6")) / 1_000_000


async def test_what_cannot_be_priced_has_no_cost_at_all() -> None:
    usage = await usage_of(provider="nobody", request_model="nothing", response_model="")

    assert (usage.status, usage.reason) == ("no_price", "no_row_for_model")
    assert not usage.HasField("cost_usd")
    assert dict(usage.tokens) == {"fresh_input": "7", "output": "2"}


async def test_a_decision_of_a_classical_model_is_not_metered() -> None:
    usage = await usage_of(kind="predict", usage_json="", decision="approve")

    assert (usage.status, usage.reason) == ("no_usage", "not_metered")


async def test_an_interrupted_answer_is_priced_as_far_as_it_is_known() -> None:
    raw = '{"input_tokens":1000,"output_tokens":1}'
    interaction = an_interaction_completed(
        provider="anthropic",
        response_model="claude-sonnet-4-5",
        usage_json=raw,
        usage_dialect="anthropic",
        streaming=True,
    )
    interaction.status = "interrupted"
    del interaction.finish_reasons[:]
    interaction.output_tokens = 40  # the deltas that the gateway passed on

    effect = await a_rater().handle([a_record(a_fact(interaction))])
    usage = UsageRated.FromString(effect.facts[0].value)

    assert (usage.status, usage.reason) == ("partial", "output_estimated")
    assert usage.cost_usd == "0.0036"


async def test_seconds_of_audio_are_charged_and_are_no_tokens() -> None:
    usage = await usage_of(
        provider="openai",
        response_model="whisper-1",
        usage_json='{"type":"duration","seconds":12.34}',
    )

    assert (usage.cost_usd, dict(usage.tokens)) == ("0.001234", {})


TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SPAN_ID = "0190a6c8-0000-7000-8000-0000000000a1"


def a_served_call(**changes: object) -> Record:
    """A call through the gateway, made under a span of the app."""
    told = {"usage_json": USAGE, "usage_dialect": "openai", **changes}
    return a_record(
        a_fact(an_interaction_completed(trace_id=TRACE, parent_span_id=SPAN, **told)), seq=1
    )


def a_told_call(**changes: object) -> Record:
    """The same call, as the app's own instrumentation exports it."""
    told = {
        "interaction_id": SPAN_ID,
        "source": "otlp",
        "trace_id": TRACE,
        "span_id": SPAN,
        "usage_json": USAGE,
        "usage_dialect": "openai",
        **changes,
    }
    return a_record(a_fact(an_interaction_completed(**told)), seq=2)


def statuses(effect: Effect) -> dict[str, str]:
    usages = [UsageRated.FromString(fact.value) for fact in effect.facts]
    return {usage.interaction_id: usage.status for usage in usages}


async def test_a_call_that_the_app_tells_of_again_is_priced_once() -> None:
    rater = a_rater()
    await rater.handle([a_served_call()])

    effect = await rater.handle([a_told_call()])
    usage = UsageRated.FromString(effect.facts[0].value)

    assert (usage.status, usage.HasField("cost_usd")) == ("duplicate_of_gateway", False)
    assert (dict(usage.tokens), dict(usage.cost_by_class_usd)) == ({}, {})


async def test_within_a_batch_the_order_of_the_two_does_not_matter() -> None:
    effect = await a_rater().handle([a_told_call(), a_served_call()])

    assert statuses(effect) == {SPAN_ID: "duplicate_of_gateway", INTERACTION_ID: "priced"}


async def test_a_served_call_that_comes_in_a_later_batch_takes_no_price_back() -> None:
    rater = a_rater()

    first = await rater.handle([a_told_call()])
    second = await rater.handle([a_served_call()])

    assert statuses(first) | statuses(second) == {SPAN_ID: "priced", INTERACTION_ID: "priced"}


async def test_what_was_served_is_known_after_a_restart() -> None:
    effect = await a_rater().handle([a_served_call()])
    restarted = a_rater()
    restarted.restore({name: blob for name, blob in effect.states.items() if blob is not None})

    assert statuses(await restarted.handle([a_told_call()])) == {SPAN_ID: "duplicate_of_gateway"}


@pytest.mark.parametrize(
    "told",
    [
        a_told_call(tenant="globex"),
        a_told_call(span_id="00f067aa0ba902b8"),
        a_told_call(trace_id="4bf92f3577b34da6a3ce929d0e0e4737"),
        a_told_call(source="sdk"),
    ],
)
async def test_another_call_is_priced_for_itself(told: Record) -> None:
    effect = await a_rater().handle([a_served_call(), told])

    assert statuses(effect)[SPAN_ID] == "priced"


async def test_a_call_that_the_gateway_failed_is_priced_where_the_app_made_it_instead() -> None:
    effect = await a_rater().handle([a_served_call(status="error"), a_told_call()])

    assert statuses(effect)[SPAN_ID] == "priced"


async def test_a_record_that_is_no_interaction_is_a_dead_letter() -> None:
    good = a_record(a_fact(an_interaction_completed()))
    bad = [
        replace(good, value=b"\xff"),
        replace(good, value=b""),
        replace(good, value=an_interaction_completed(started_at_us=2**62).SerializeToString()),
    ]

    effect = await a_rater().handle([*bad, good])

    assert len(effect.facts) == 1
    assert [letter.record for letter in effect.dead_letters] == bad
    assert [letter.reason.split(":")[0] for letter in effect.dead_letters] == [
        "The value is no InteractionCompleted",
        "The interaction names no tenant or has no id.",
        "started_at_us is no time",
    ]


async def test_what_a_cache_answered_costs_nothing_whatever_its_model_costs() -> None:
    usage = await usage_of(cache="exact", usage_json="", provider="")

    assert (usage.status, usage.cost_usd) == ("priced", "0")

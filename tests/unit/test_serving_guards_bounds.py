"""Bounds on a call: its model, the length of its answer, and what it may cost."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from services.serving.domain.gate import Check, Entry
from services.serving.domain.request import Kind
from services.serving.guards.bounds import CostBounded, ModelAllowed, OutputBounded
from shared.errors import Denied, Invalid
from shared.interactions import Context
from shared.policy import Policy
from tests.builders import INTERACTION_ID, a_caller
from tests.guards import a_live_view, a_request


class PerToken:
    """A model of 0.001 USD a token read and 0.002 a token written."""

    def __init__(self, *, known: bool = True) -> None:
        self._known = known

    def at_most(self, model: str, input_tokens: int, output_tokens: int) -> Decimal | None:
        cost = Decimal(input_tokens) / 1000 + Decimal(output_tokens) / 500
        return cost if self._known else None


def admit(check: Check, kind: Kind = Kind.CHAT, **fields: Any) -> Entry:
    request = a_request(kind, messages=[], **fields)
    return asyncio.run(check.admit(Entry(INTERACTION_ID, a_caller(), request, Context())))


@pytest.mark.parametrize(
    ("tenant", "key", "allowed"),
    [((), (), True), (("m*",), (), True), (("m",), ("gpt-*",), False), (("gpt-*",), ("m",), False)],
)
def test_every_list_of_models_must_hold_the_model(
    tenant: tuple[str, ...], key: tuple[str, ...], *, allowed: bool
) -> None:
    check = ModelAllowed(a_live_view(tenant=Policy(models=tenant), key=Policy(models=key)))

    if allowed:
        assert admit(check).request.model == "m"
        return
    with pytest.raises(Denied) as refused:
        admit(check)
    assert refused.value.code == "model_not_allowed"


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        (Kind.CHAT, {}, {"max_completion_tokens": 100}),
        (Kind.CHAT, {"max_tokens": 5000}, {"max_tokens": 100}),
        (Kind.CHAT, {"max_tokens": 50}, {"max_tokens": 50}),
        (Kind.CHAT, {"max_completion_tokens": 60, "n": 4}, {"max_completion_tokens": 25}),
        (Kind.MESSAGE, {"max_tokens": 4096}, {"max_tokens": 100}),
        (Kind.RESPONSE, {}, {"max_output_tokens": 100}),
        (Kind.COMPLETION, {"max_tokens": None}, {"max_tokens": 100}),
    ],
)
def test_no_answer_is_asked_for_that_is_longer_than_the_smallest_bound(
    kind: Kind, fields: dict[str, Any], expected: dict[str, int]
) -> None:
    live = a_live_view(tenant=Policy(max_output_tokens=100), model=Policy(max_output_tokens=900))

    entry = admit(OutputBounded(live), kind, **fields)

    assert {name: entry.request.body.tree[name] for name in expected} == expected


def test_an_answer_that_is_cut_short_is_told_to_its_client() -> None:
    entry = admit(OutputBounded(a_live_view(key=Policy(max_output_tokens=10))), max_tokens=20)

    assert entry.headers == {"x-leeway-max-output-tokens": "10"}
    assert [(v.guard, v.action, v.explanation) for v in entry.verdicts] == [
        ("max_output_tokens", "redact", "asked for 20 tokens, let 10")
    ]


def test_a_call_that_can_come_to_more_than_it_may_is_refused() -> None:
    check = CostBounded(a_live_view(tenant=Policy(max_cost_usd=Decimal("1.0"))), PerToken())

    assert admit(check, max_tokens=400).request.body.tree["max_tokens"] == 400
    with pytest.raises(Invalid) as refused:
        admit(check, max_tokens=500)
    assert refused.value.code == "max_cost_exceeded"


def test_a_call_without_a_length_gets_what_the_money_lasts_for() -> None:
    check = CostBounded(a_live_view(tenant=Policy(max_cost_usd=Decimal("1.0"))), PerToken())

    entry = admit(check)

    read = len(a_request(messages=[]).body.rewritten({}))
    assert entry.request.body.tree["max_completion_tokens"] == (1000 - read) // 2


def test_a_cost_that_is_not_known_cannot_be_bounded() -> None:
    check = CostBounded(a_live_view(key=Policy(max_cost_usd=Decimal(1))), PerToken(known=False))

    with pytest.raises(Invalid) as refused:
        admit(check, max_tokens=1)
    assert refused.value.code == "max_cost_unknown"


def test_without_a_bound_nothing_is_touched() -> None:
    live = a_live_view()

    assert admit(OutputBounded(live), max_tokens=5).request.body.tree["max_tokens"] == 5
    assert "max_tokens" not in admit(CostBounded(live, PerToken(known=False))).request.body.tree

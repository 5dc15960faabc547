"""Near questions: which are answered from what is kept, and which are asked anew."""

from typing import Any

import pytest

from services.serving.cache.answers import Outcome
from services.serving.domain.request import Kind, Request
from tests.builders import a_caller
from tests.caching import a_house, a_request

SEMANTIC = {"semantic_seconds": 60, "semantic_max_temperature": 1}


async def test_a_near_question_is_answered() -> None:
    house = a_house(SEMANTIC)

    await house.keep(a_request("Is tea a plant?"))
    house.clock.advance(3)
    look = await house.look(a_request("is tea a  plant"))

    assert look.hit is not None
    assert look.hit.how == "semantic"
    assert look.headers == {"x-leeway-cache": "hit", "age": "3"}


async def test_the_same_request_is_exact_where_both_may_be() -> None:
    house = a_house({**SEMANTIC, "exact_seconds": 10})
    await house.keep(a_request("Is tea a plant?"))

    exact = await house.look(a_request("Is tea a plant?"))
    house.clock.advance(11)
    near = await house.look(a_request("Is tea a plant?"))

    assert exact.hit is not None
    assert near.hit is not None
    assert (exact.hit.how, near.hit.how) == ("exact", "semantic")


@pytest.mark.parametrize(
    "other",
    [
        a_request("Is tea a plant?", seed=1),
        a_request("Is tea a plant?", kind=Kind.MESSAGE),
        a_request("Is tea not a plant?"),
        a_request("A plant is tea?"),
        a_request("Quite something else"),
        a_request("Is tea a plant?" + " " * 1000),
    ],
)
async def test_with_anything_else_a_question_is_another(other: Request) -> None:
    house = a_house(SEMANTIC)
    await house.keep(a_request("Is tea a plant?"))

    assert (await house.look(other)).outcome is Outcome.MISS


async def test_a_near_question_of_another_tenant_is_none() -> None:
    house = a_house(SEMANTIC)
    await house.keep(a_request("Is tea a plant?"))

    look = await house.look(a_request("is tea a plant"), caller=a_caller(tenant="umbrella"))

    assert look.outcome is Outcome.MISS


@pytest.mark.parametrize("more", [{"tools": [{"type": "function"}]}, {"temperature": 0.9}, {}])
async def test_tools_and_high_temperatures_are_asked_anew_unless_said(
    more: dict[str, Any],
) -> None:
    house = a_house({"semantic_seconds": 60})
    asked = a_house({**SEMANTIC, "semantic_tools": True})

    assert (await house.look(a_request(**more))).outcome is Outcome.BYPASS
    assert (await asked.look(a_request(**more))).outcome is Outcome.MISS


async def test_a_text_is_embedded_only_where_it_may_be_compared() -> None:
    exact, semantic = a_house(), a_house(SEMANTIC)

    await exact.look()
    await semantic.look(a_request(tools=[{"type": "function"}]))
    await semantic.look()
    await semantic.look(control="no-store")

    assert (exact.letters.asked, semantic.letters.asked) == (0, 1)

"""The kill switch at the gate and in the plan: what is stopped is not served, and no route leads around it."""

import pytest

from services.serving.limits.stops import NotStopped, Stopped
from shared.live import LiveView, Model, Route
from tests.routed import House, an_entry

A, B = Route("a", "x"), Route("b", "x")


@pytest.mark.parametrize("stopped", ["all", "tenant/acme", "key/k0000001", "model/m"])
async def test_a_call_of_what_is_stopped_is_refused_with_the_reason(stopped: str) -> None:
    live = LiveView(b"")
    live.stops[stopped] = "incident 7"

    with pytest.raises(Stopped) as refused:
        await NotStopped(live).admit(an_entry())

    assert refused.value.code == "stopped"
    assert refused.value.message.endswith("is stopped by this gateway's operators: incident 7.")


async def test_whatever_else_is_stopped_a_call_passes() -> None:
    live = LiveView(b"")
    live.stops |= dict.fromkeys(["tenant/other", "key/k0000002", "model/n", "provider/a"], "")
    entry = an_entry()

    assert await NotStopped(live).admit(entry) is entry


def test_a_stopped_provider_is_asked_by_no_route() -> None:
    house = House([Model("m", (A, B))])
    house.live.stops["provider/a"] = ""

    assert [route.provider for route in house.planner.plan(an_entry())] == ["b"]


def test_a_model_whose_every_provider_is_stopped_says_so() -> None:
    house = House([Model("m", (A,))])
    house.live.stops["provider/a"] = ""

    with pytest.raises(Stopped):
        house.planner.plan(an_entry())


def test_a_stopped_model_stands_in_for_no_other() -> None:
    house = House([Model("m", (A,), fallbacks=("n",)), Model("n", (B,))])
    house.live.stops["model/n"] = ""

    assert [route.provider for route in house.planner.plan(an_entry())] == ["a"]

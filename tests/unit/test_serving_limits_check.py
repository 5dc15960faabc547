"""The limits at the gate: what a call is let in as, what it is counted as in the end, and what it gives back."""

from dataclasses import replace
from decimal import Decimal

import orjson
import pytest

from services.serving.domain.body import parse_body
from services.serving.domain.budget import AlwaysSufficient, BudgetHeld
from services.serving.domain.gate import Check, End, Entry, Gate, Hold, settle
from services.serving.domain.request import Kind, Request, chat_request, embedding_request
from services.serving.limits.check import LimitsHeld
from services.serving.limits.limiter import Limiter
from services.serving.limits.reserving import Reserved, reserved_for, used_tokens
from services.serving.state.memory import MemoryState
from shared.clock import SimulatedClock
from shared.errors import Denied, Limited
from shared.interactions import Context, Usage
from shared.live import LiveView
from shared.policy import Limits, Policy
from tests.builders import NOW, a_caller, an_interaction

LIMITS = Limits(requests_per_minute=2, tokens_per_minute=1_000, concurrent=1)


def asked(**fields: object) -> Request:
    body = {"model": "gpt", "messages": [{"role": "user", "content": "12345678"}], **fields}
    return chat_request(parse_body(orjson.dumps(body)))


def embedding(given: object) -> Request:
    return embedding_request(parse_body(orjson.dumps({"model": "gpt", "input": given})))


def an_entry(request: Request | None = None) -> Entry:
    return Entry("id", a_caller(), request or asked(max_tokens=10), Context())


def a_check(limits: Limits = LIMITS) -> LimitsHeld:
    live, clock = LiveView(b""), SimulatedClock(NOW)
    live.tenant_policies["acme"] = Policy(limits=limits)
    state = MemoryState(clock, lease_seconds=1_000)
    limiter = Limiter(state, clock)
    return LimitsHeld(live, limiter)


class Refusing:
    """A check that refuses."""

    async def admit(self, entry: Entry) -> Entry:
        raise Denied("no")


async def let_in(check: Check, entry: Entry | None = None) -> Entry:
    return await check.admit(entry or an_entry())


def left(entry: Entry, kind: str) -> str:
    return entry.headers[f"x-ratelimit-remaining-{kind}"]


def test_a_request_is_let_in_as_its_text_and_its_bound() -> None:
    # 8 characters are 2 tokens, "user" is 1, and a message 4 more.
    assert reserved_for(asked(max_tokens=10)) == Reserved(7, 10)
    assert reserved_for(asked(max_completion_tokens=99)) == Reserved(7, 99)
    assert reserved_for(asked()) == Reserved(7, 1_000)


@pytest.mark.parametrize(
    ("given", "tokens"),
    [("12345678", 2), (["1234", "5678"], 2), ([1, 2, 3], 3), ([[1, 2], [3]], 3)],
)
def test_vectors_are_let_in_as_what_is_read(given: object, tokens: int) -> None:
    assert reserved_for(embedding(given)) == Reserved(tokens, 0)


def test_a_picture_counts_whatever_its_size() -> None:
    url = "data:image/png;base64," + "A" * 100_000
    content = [{"type": "image_url", "image_url": {"url": url}}]
    seen = reserved_for(asked(messages=[{"role": "user", "content": content}], max_tokens=0))

    assert 1_000 < seen.read < 1_020


@pytest.mark.parametrize(
    ("status", "cache", "usage", "tokens"),
    [
        ("ok", "", Usage(input_tokens=20, output_tokens=5), 25),
        ("ok", "", Usage(input_tokens=20), 20 + 10),
        ("ok", "", Usage(output_tokens=5), 7 + 5),
        ("interrupted", "", Usage(), 7 + 10),
        ("cancelled", "", Usage(output_tokens=3), 7 + 3),
        ("error", "", Usage(), 0),
        ("error", "", Usage(input_tokens=20), 20),
        ("ok", "exact", Usage(input_tokens=20, output_tokens=5), 0),
    ],
)
def test_a_call_is_counted_as_what_was_told_and_else_as_it_was_let_in(
    status: str, cache: str, usage: Usage, tokens: int
) -> None:
    ended = an_interaction(status=status, cache=cache, usage=usage)

    assert used_tokens(ended, Reserved(7, 10)) == tokens


async def test_a_call_without_limits_holds_nothing() -> None:
    entry = an_entry()

    assert await let_in(a_check(Limits()), entry) is entry


async def test_a_call_tells_its_limits_and_gives_back_what_it_did_not_use() -> None:
    check = a_check(Limits(requests_per_minute=2, tokens_per_minute=1_000, concurrent=5))

    first = await let_in(check, an_entry(asked(max_tokens=500)))
    await settle(first.holds, End(an_interaction(usage=Usage(input_tokens=8, output_tokens=2))))
    second = await let_in(check, an_entry(asked(max_tokens=1)))

    assert (left(first, "requests"), left(first, "tokens")) == ("1", "493")
    assert (left(second, "requests"), left(second, "tokens")) == ("0", str(1_000 - 10 - 8))


async def test_a_call_that_a_later_check_refuses_gives_everything_back() -> None:
    check = a_check()
    gate = Gate([check, Refusing()])

    for _ in range(5):
        with pytest.raises(Denied):
            await gate.admit(an_entry())

    entry = await let_in(check)
    assert left(entry, "requests") == "1"


async def test_a_place_is_held_until_the_call_has_ended() -> None:
    check = a_check(Limits(concurrent=1))

    first = await let_in(check)
    with pytest.raises(Limited) as refused:
        await let_in(check)
    await settle(first.holds, End(an_interaction(status="error", usage=Usage())))

    assert refused.value.code == "concurrency_limit"
    assert (await let_in(check)).holds


class Counted:
    """A lease that notes what it is asked for."""

    def __init__(self) -> None:
        self.bounds: list[Decimal | None] = []
        self.ends: list[End] = []

    async def hold(self, entry: Entry, upper_bound_usd: Decimal | None) -> Hold:
        self.bounds.append(upper_bound_usd)
        return self

    async def settle(self, end: End) -> None:
        self.ends.append(end)


async def test_a_budget_is_held_by_what_a_call_may_cost_and_told_what_it_did_cost() -> None:
    lease = Counted()
    end = End(an_interaction(), Decimal("0.25"))

    entry = await let_in(BudgetHeld(lease, lambda _: Decimal(3)))
    await settle(entry.holds, end)

    assert lease.bounds == [Decimal(3)]
    assert lease.ends == [end]


async def test_without_leases_every_budget_is_sufficient() -> None:
    entry = await let_in(BudgetHeld(AlwaysSufficient(), lambda _: None))

    await settle(entry.holds, End(None))

    assert len(entry.holds) == 1


def test_an_image_request_is_counted_by_the_rule_for_what_nobody_can_tell() -> None:
    drawn = replace(asked(), kind=Kind.IMAGE)

    assert reserved_for(drawn).tokens > 0

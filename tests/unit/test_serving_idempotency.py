"""Idempotency keys: one request runs, whoever retries it and however often, and each is answered the same."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from services.serving.client import Client
from services.serving.idempotency.claims import (
    MAX_KEY_CHARS,
    RETRY_SECONDS,
    Claim,
    Idempotency,
    IdempotencyLimits,
)
from services.serving.idempotency.recording import RecordingClient, replay
from services.serving.idempotency.sealing import KeptReply, Keyed
from services.serving.state.memory import Memory, MemoryState
from services.serving.state.port import StateAway
from shared.clock import SimulatedClock
from shared.errors import Conflict, Invalid
from tests.builders import NOW, a_caller
from tests.waiting import until

KEYED = Keyed(a_caller(), "lk_production_token", "/v1/chat/completions", "order-7", b'{"a":1}')
REPLY = KeptReply(200, [(b"content-type", b"application/json")], b'{"id":"1"}')
LIMITS = IdempotencyLimits(
    keep_seconds=86_400, max_reply_bytes=64, wait_seconds=2.0, lease_seconds=15.0
)


class World:
    """Two workers that share a memory, on a clock that the test moves."""

    def __init__(self) -> None:
        self.clock = SimulatedClock(NOW)
        self.memory = Memory()
        self.one, self.other = (self.worker() for _ in range(2))

    def worker(self) -> Idempotency:
        return Idempotency(MemoryState(self.clock, self.memory), self.clock, LIMITS)

    async def passes(self, seconds: float) -> None:
        """Move the clock in small steps, and let who waits for it look."""
        for _ in range(round(seconds / 0.05)):
            self.clock.advance(0.05)
            await asyncio.sleep(0)
            await asyncio.sleep(0)


async def reply_of(idempotency: Idempotency, keyed: Keyed = KEYED) -> KeptReply | None:
    """What a retry is answered from; None when it runs itself, and then it answers REPLY."""
    async with idempotency.claim(keyed) as claim:
        if claim.reply is None:
            claim.asked()
            await claim.keep(REPLY, REPLY.status)
        return claim.reply


async def test_a_retry_is_answered_as_the_first_was() -> None:
    world = World()

    first = await reply_of(world.one)
    retries = [await reply_of(world.one), await reply_of(world.other)]

    assert first is None
    assert retries == [REPLY, REPLY]


async def test_a_parallel_retry_waits_for_the_first() -> None:
    world = World()
    async with world.one.claim(KEYED) as claim:
        waiting = asyncio.create_task(reply_of(world.other))
        await world.passes(0.5)
        assert not waiting.done()
        claim.asked()
        await claim.keep(REPLY, 200)
    await world.passes(0.5)

    assert await waiting == REPLY


async def test_a_retry_waits_no_longer_than_it_is_told_to() -> None:
    world = World()
    async with world.one.claim(KEYED):
        waiting = asyncio.create_task(reply_of(world.other))
        await world.passes(LIMITS.wait_seconds + 0.5)

        with pytest.raises(Conflict) as refused:
            await waiting

    assert refused.value.code == "idempotency_in_progress"
    assert refused.value.retry_after_seconds == RETRY_SECONDS


async def test_another_body_under_the_key_is_refused_while_the_first_runs_and_after() -> None:
    world = World()
    other = replace(KEYED, body=b'{"a":2}')

    async with world.one.claim(KEYED) as claim:
        with pytest.raises(Invalid) as running:
            await reply_of(world.other, other)
        await claim.keep(REPLY, 200)
    with pytest.raises(Invalid) as ended:
        await reply_of(world.other, other)

    assert [(e.value.status, e.value.code) for e in (running, ended)] == [
        (422, "idempotency_key_reused")
    ] * 2


@pytest.mark.parametrize(
    "change",
    [
        {"caller": a_caller(tenant="other")},
        {"caller": a_caller(key_id="k0000002")},
        {"path": "/v1/embeddings"},
        {"key": "order-8"},
        {"token": "lk_production_another"},
    ],
    ids=["tenant", "key", "path", "idempotency key", "token"],
)
async def test_the_same_key_of_another_scope_is_another(change: Mapping[str, object]) -> None:
    world = World()
    await reply_of(world.one)

    assert await reply_of(world.one, replace(KEYED, **change)) is None  # type: ignore[arg-type]


async def test_what_is_stored_tells_nothing_of_the_call() -> None:
    world = World()
    await reply_of(world.one)

    [(name, held)] = world.memory.values.items()

    for told in (KEYED.key, KEYED.token, KEYED.caller.tenant, '"id"', '"a"', "json"):
        assert told not in name
        assert told.encode() not in held.value


async def test_a_record_that_was_changed_is_no_reply() -> None:
    world = World()
    await reply_of(world.one)
    [held] = world.memory.values.values()
    held.value = held.value[:-1] + bytes([held.value[-1] ^ 1])

    with pytest.raises(Conflict) as refused:
        await reply_of(world.one)

    assert refused.value.code == "idempotency_reply_not_kept"


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
async def test_a_failure_is_asked_anew(status: int) -> None:
    world = World()
    async with world.one.claim(KEYED) as claim:
        claim.asked()
        await claim.keep(replace(REPLY, status=status), status)

    assert await reply_of(world.other) is None


async def test_an_upstreams_lasting_refusal_is_told_again() -> None:
    world = World()
    refusal = replace(REPLY, status=400)
    async with world.one.claim(KEYED) as claim:
        claim.asked()
        await claim.keep(refusal, 400)

    assert await reply_of(world.other) == refusal


@pytest.mark.parametrize("status", [400, 401, 422, 429])
async def test_what_is_refused_before_an_upstream_is_asked_is_not_kept(status: int) -> None:
    world = World()
    async with world.one.claim(KEYED) as claim:
        await claim.keep(replace(REPLY, status=status), status)

    assert await reply_of(world.other) is None


async def test_a_request_that_was_abandoned_lets_the_next_ask() -> None:
    world = World()
    async with world.one.claim(KEYED) as claim:
        claim.asked()

    assert await reply_of(world.other) is None


async def test_a_reply_is_kept_for_its_time_and_no_longer() -> None:
    world = World()
    await reply_of(world.one)

    world.clock.advance(LIMITS.keep_seconds - 1)
    assert await reply_of(world.one) == REPLY
    world.clock.advance(2)

    assert await reply_of(world.one) is None


async def test_a_long_request_keeps_its_claim() -> None:
    world = World()
    async with world.one.claim(KEYED) as claim:
        for _ in range(10):
            await world.passes(LIMITS.lease_seconds / 2)
        with pytest.raises(Invalid):
            await reply_of(world.other, replace(KEYED, body=b"{}"))
        await claim.keep(REPLY, 200)

    assert await reply_of(world.other) == REPLY


async def test_a_claim_whose_worker_died_is_taken_over_after_its_lease() -> None:
    world = World()
    dying = world.one.claim(KEYED)
    await dying.__aenter__()
    dying._ended.set()  # it renews nothing any more, and leaves nothing in order

    world.clock.advance(LIMITS.lease_seconds + 0.1)

    assert await reply_of(world.other) is None


async def test_who_lost_its_claim_overwrites_no_ones_reply() -> None:
    world = World()
    frozen = world.one.claim(KEYED)
    await frozen.__aenter__()
    frozen._ended.set()
    world.clock.advance(LIMITS.lease_seconds + 0.1)
    await reply_of(world.other)

    await frozen.keep(replace(REPLY, body=b"late"), 200)
    await frozen.__aexit__(None, None, None)

    assert await reply_of(world.other) == REPLY


@pytest.mark.parametrize("key", ["", "a" * (MAX_KEY_CHARS + 1), "tab\t", "é", "line\n"])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(Invalid) as refused:
        World().one.claim(replace(KEYED, key=key))

    assert refused.value.code == "invalid_idempotency_key"


@pytest.mark.parametrize("key", ["a", "a" * MAX_KEY_CHARS, "with space ~!"])
async def test_any_printable_key_is_taken(key: str) -> None:
    assert await reply_of(World().one, replace(KEYED, key=key)) is None


class Away(MemoryState):
    """A state that is away once it is told to be."""

    away = False

    async def replace(self, name: str, fence: int, value: bytes, seconds: float) -> bool:
        if self.away:
            raise StateAway("test")
        return await super().replace(name, fence, value, seconds)

    async def release(self, name: str, fence: int) -> bool:
        if self.away:
            raise StateAway("test")
        return await super().release(name, fence)


async def test_who_was_answered_is_told_though_the_reply_cannot_be_kept() -> None:
    clock = SimulatedClock(NOW)
    state = Away(clock)
    sent = Sent()

    async with Idempotency(state, clock, LIMITS).claim(KEYED) as claim:
        claim.asked()
        state.away = True
        await sent.recording(claim).answer(200, REPLY.headers, REPLY.body)

    assert sent.body == REPLY.body


class Sent:
    """What a client was sent."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""

    async def __call__(self, message: Mapping[str, object]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])  # type: ignore[assignment, call-overload]
        else:
            self.body += message["body"]  # type: ignore[operator]

    async def nothing(self) -> dict[str, object]:
        return {"type": "http.disconnect"}

    def recording(self, claim: Claim) -> RecordingClient:
        return RecordingClient(self.nothing, self, 1.0, claim)

    def plain(self) -> Client:
        return Client(self.nothing, self, 1.0)


async def test_a_stream_is_replayed_byte_for_byte() -> None:
    world = World()
    first, again = Sent(), Sent()
    async with world.one.claim(KEYED) as claim:
        claim.asked()
        client = first.recording(claim)
        await client.begin(200, [(b"content-type", b"text/event-stream")])
        await client.write(b"data: 1\n\n")
        await client.write(b": still here\n\n")
        await client.finish(b"data: [DONE]\n\n")

    async with world.other.claim(KEYED) as claim:
        assert claim.reply is not None
        await replay(again.plain(), claim.reply)

    assert again.body == first.body == b"data: 1\n\n: still here\n\ndata: [DONE]\n\n"
    assert again.status == 200
    assert again.headers == [*first.headers, (b"idempotency-replayed", b"true")]


async def test_a_reply_is_kept_before_its_last_byte_is_sent() -> None:
    world = World()
    sent = Sent()
    async with world.one.claim(KEYED) as claim:
        client = sent.recording(claim)
        await client.begin(200, [])
        await client.write(b"1")
        waiting = asyncio.create_task(reply_of(world.other))
        finishing = asyncio.create_task(client.finish(b"2"))
        await until(finishing.done)

        await world.passes(0.5)
        assert await waiting == KeptReply(200, [], b"12")


async def test_a_stream_that_breaks_off_is_asked_anew() -> None:
    world = World()
    async with world.one.claim(KEYED) as claim:
        claim.asked()
        client = Sent().recording(claim)
        await client.begin(200, [])
        await client.write(b"data: 1\n\n")
        await client.break_off(b'data: {"error":{}}\n\n')

    assert await reply_of(world.other) is None


async def test_a_reply_that_is_too_large_is_sent_once_and_never_asked_again() -> None:
    world = World()
    sent = Sent()
    async with world.one.claim(KEYED) as claim:
        await sent.recording(claim).answer(200, [], b"x" * (LIMITS.max_reply_bytes + 1))

    with pytest.raises(Conflict) as refused:
        await reply_of(world.other)

    assert len(sent.body) == LIMITS.max_reply_bytes + 1
    assert refused.value.code == "idempotency_reply_not_kept"

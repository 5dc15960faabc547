"""Whatever an upstream answers, an adapter gives an answer or `UpstreamFailed`, and never anything else."""

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Self, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.serving.domain.failure import UpstreamFailed
from services.serving.domain.request import Kind
from services.serving.providers.catalogue import Catalogue
from services.serving.providers.port import Ask, Provider
from services.serving.providers.upstream import Target, UpstreamHttp, UpstreamLimits
from shared.clock import SimulatedClock
from shared.live import LiveView
from shared.live import Provider as ProviderEntry
from tests.adapters import ADAPTERS, CASES, NOW, SECRETS, STREAMED, an_ask, the_events
from tests.tapes import cassette

JUNK: list[Any] = [None, 0, -1, 2**70, 1.5, True, "", "x", "\ud800", [], [3], {}, {"type": 3}, [[]]]
Place = tuple[str | int, ...]


class Canned:
    """HTTP that gives what it was made with, and asks nobody."""

    limits = UpstreamLimits()

    def __init__(self, reply: bytes = b"", pieces: list[bytes] | None = None) -> None:
        self._reply = reply
        self._pieces = pieces or []

    def spoken_by(self, _: ProviderEntry) -> Self:
        return self

    async def post(self, _: Target, __: bytes) -> bytes:
        return self._reply

    @asynccontextmanager
    async def events(self, _: Target, __: bytes) -> AsyncIterator[AsyncIterator[bytes]]:
        yield self._chunks()

    async def _chunks(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


def answering(kind: str, canned: Canned) -> Provider:
    live = LiveView(b"pepper")
    live.providers["up"] = ADAPTERS[kind].entry("http://127.0.0.1")
    http = cast("UpstreamHttp", canned)
    return Catalogue(live, http, SimulatedClock(NOW), SECRETS.__getitem__).provider("up")


def places(tree: Any, here: Place = ()) -> Iterator[Place]:
    """Every place in a JSON value."""
    yield here
    inner = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    for name, value in inner:
        yield from places(value, (*here, name))


def changed(tree: Any, place: Place, value: Any) -> Any:
    """The value with another one at a place."""
    if not place:
        return value
    made = copy.deepcopy(tree)
    holder = made
    for name in place[:-1]:
        holder = holder[name]
    holder[place[-1]] = value
    return made


async def replied(kind: str, ask: Ask, body: bytes) -> None:
    provider = answering(kind, Canned(body))
    ask_it = provider.embed if ask.request.kind is Kind.EMBEDDING else provider.complete
    try:
        reply = await ask_it(ask)
    except UpstreamFailed:
        return
    assert isinstance(reply.tree, dict)


async def streamed(kind: str, ask: Ask, pieces: list[bytes]) -> None:
    try:
        events = await the_events(answering(kind, Canned(pieces=pieces)), ask)
    except UpstreamFailed:
        return
    assert events[-1].final


@pytest.mark.parametrize(("kind", "case"), CASES)
def test_a_reply_with_junk_at_any_place(kind: str, case: str) -> None:
    recording = cassette(kind, case)
    ask = an_ask(recording)

    async def all_of_them() -> None:
        for number, place in enumerate(places(recording["reply"])):
            for junk in (JUNK[number % len(JUNK)], JUNK[(number * 7 + 3) % len(JUNK)]):
                body = json.dumps(changed(recording["reply"], place, junk)).encode()
                await replied(kind, ask, body)

    asyncio.run(all_of_them())


@pytest.mark.parametrize(("kind", "case"), STREAMED)
def test_a_stream_with_junk_at_any_place(kind: str, case: str) -> None:
    recording = cassette(kind, case)
    ask, stream = an_ask(recording, streaming=True), recording["stream"]
    adapter = ADAPTERS[kind]

    async def all_of_them() -> None:
        for number, place in enumerate(places(stream)):
            inside = place[2:] if adapter.framed else place[1:]
            if not inside or stream[int(place[0])] == "[DONE]":
                continue
            await streamed(
                kind, ask, adapter.pieces(changed(stream, place, JUNK[number % len(JUNK)]))
            )

    asyncio.run(all_of_them())


@given(st.sampled_from(sorted(ADAPTERS)), st.binary(max_size=200), st.booleans())
def test_bytes_of_any_kind(kind: str, body: bytes, as_event: bool) -> None:
    ask = an_ask(cassette(kind, "chat"), streaming=as_event)

    if as_event:
        asyncio.run(streamed(kind, ask, [b"data: " + body + b"\n\n"]))
    else:
        asyncio.run(replied(kind, ask, body))

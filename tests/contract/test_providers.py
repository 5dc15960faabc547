"""One suite over every adapter: each plays its own recordings (tests/cassettes) over a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from services.serving.domain.account import Account, Event
from services.serving.domain.failure import UpstreamFailed
from services.serving.domain.request import Kind
from services.serving.providers.upstream import UpstreamHttp, UpstreamLimits
from shared.interactions import Usage
from shared.prices.usage.dialects import dialect_of, meter
from tests.adapters import (
    ADAPTERS,
    CASES,
    NOW,
    STREAMED,
    an_ask,
    gather,
    is_native,
    replied,
    the_events,
    the_provider,
    told,
)
from tests.tapes import Json, Player, Recording, cassette, playing


@pytest.fixture
async def player() -> AsyncIterator[Player]:
    async with playing() as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[UpstreamHttp]:
    async with UpstreamHttp(UpstreamLimits()) as opened:
        yield opened


def check_usage(usage: Usage | None, answer: Json) -> None:
    """The totals, and the classes that they are billed in."""
    expected = answer["usage"]
    if expected is None:
        assert usage is None
        return
    assert usage is not None
    assert {
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "cache_read": usage.cache_read_tokens,
        "cache_write": usage.cache_write_tokens,
        "reasoning": usage.reasoning_tokens,
    } == expected
    assert meter(usage.raw, dialect_of(usage.dialect)).tokens == answer["metered"]


def calls_in(message: Json) -> list[Json]:
    """The tools that a message calls, their arguments read."""
    functions = [call["function"] for call in message.get("tool_calls") or ()]
    return [{"name": f["name"], "arguments": json.loads(f["arguments"])} for f in functions]


@pytest.mark.parametrize(("kind", "case"), CASES)
async def test_a_whole_answer(kind: str, case: str, player: Player, http: UpstreamHttp) -> None:
    recording, answer = cassette(kind, case), cassette(kind, case)["answer"]
    player.recording = replied(recording)
    provider, ask = the_provider(kind, player, http), an_ask(recording)

    if ask.request.kind is Kind.EMBEDDING:
        reply = await provider.embed(ask)
        vectors = json.loads(reply.body)["data"]
        assert [each["embedding"] for each in vectors] == answer["vectors"]
    else:
        reply = await provider.complete(ask)
        [choice] = reply.tree["choices"]
        assert (choice["message"]["content"] or "") == answer["text"]
        assert choice["message"].get("reasoning_content", "") == answer.get("reasoning", "")
        assert choice["finish_reason"] == answer["finish"]
        assert calls_in(choice["message"]) == answer.get("tool_calls", [])
        assert reply.tree["model"] == answer["model"]
    check_usage(reply.usage, answer)
    assert reply.usage is None or reply.usage.raw.encode() in player.recording.pieces[0]
    assert player.path == recording["path"]
    assert json.loads(player.body) == recording["sent"]
    assert ADAPTERS[kind].headers.items() <= player.headers.items()
    assert (reply.body == player.recording.pieces[0]) is is_native(kind, case)


@pytest.mark.parametrize(("kind", "case"), STREAMED)
async def test_a_streamed_answer(kind: str, case: str, player: Player, http: UpstreamHttp) -> None:
    recording, answer = cassette(kind, case), cassette(kind, case)["answer"]
    player.recording = ADAPTERS[kind].recorded(recording["stream"])
    provider, account = the_provider(kind, player, http), Account()

    events = await the_events(provider, an_ask(recording, streaming=True))

    account.fold(events, NOW)
    [message] = account.answer.messages
    assert account.answer.text == answer["text"]
    assert account.answer.finish_reasons == [answer["finish"]]
    assert account.answer.model == answer["model"]
    assert calls_in(message) == answer.get("tool_calls", [])
    deltas = [c["delta"] for e in events if e.tree for c in e.tree["choices"]]
    thoughts = "".join(delta.get("reasoning_content") or "" for delta in deltas)
    assert thoughts == answer.get("reasoning", "")
    check_usage(account.usage, answer)
    assert [event.final for event in events] == [False] * (len(events) - 1) + [True]
    assert player.path == recording.get("stream_path", recording["path"])


@pytest.mark.parametrize(
    ("kind", "case"),
    [(kind, case) for kind, case in STREAMED if is_native(kind, case)],
)
async def test_a_stream_of_the_clients_protocol_passes_byte_for_byte(
    kind: str, case: str, player: Player, http: UpstreamHttp
) -> None:
    recording = cassette(kind, case)
    played = ADAPTERS[kind].recorded(recording["stream"])
    player.recording = played
    provider = the_provider(kind, player, http)

    asked = await the_events(provider, an_ask(recording, streaming=True, wants_usage=True))
    unasked = await the_events(provider, an_ask(recording, streaming=True))

    assert b"".join(event.raw for event in asked if not event.hidden) == b"".join(played.pieces)
    assert [event.raw for event in unasked] == [event.raw for event in asked]
    hidden = [event for event in unasked if event.hidden]
    assert all(event.tree and event.tree["choices"] == [] for event in hidden)


@pytest.mark.parametrize(("kind", "case"), STREAMED)
async def test_a_stream_that_is_cut_is_never_whole(
    kind: str, case: str, player: Player, http: UpstreamHttp
) -> None:
    """Wherever it is cut, by a broken connection or by a clean end of the reply."""
    recording = cassette(kind, case)
    pieces = ADAPTERS[kind].pieces(recording["stream"])
    provider = the_provider(kind, player, http)
    # Bedrock's answer is whole without its usage, which comes behind its end.
    last = len(pieces) - (2 if kind == "bedrock" else 1)

    for kept in range(last + 1):
        for cut in (True, False):
            headers = ADAPTERS[kind].recorded([]).headers
            player.recording = Recording(headers=headers, pieces=pieces[:kept], cut=cut)
            came: list[Event] = []
            with pytest.raises(UpstreamFailed):
                await gather(provider, an_ask(recording, streaming=True), came)
            assert not any(event.final for event in came)
            assert b"[DONE]" not in b"".join(event.raw for event in came)


@pytest.mark.parametrize(("kind", "case"), STREAMED)
async def test_a_stream_may_come_byte_by_byte(
    kind: str, case: str, player: Player, http: UpstreamHttp
) -> None:
    recording = cassette(kind, case)
    played = ADAPTERS[kind].recorded(recording["stream"])
    player.recording = played
    provider = the_provider(kind, player, http)
    at_once = await the_events(provider, an_ask(recording, streaming=True))
    stream = b"".join(played.pieces)
    player.recording = Recording(
        headers=played.headers, pieces=[stream[n : n + 7] for n in range(0, len(stream), 7)]
    )

    bit_by_bit = await the_events(provider, an_ask(recording, streaming=True))

    assert [event.usage for event in bit_by_bit] == [event.usage for event in at_once]
    assert len(bit_by_bit) == len(at_once)


@pytest.mark.parametrize(("kind", "place"), told("replies"))
async def test_a_refusal_is_told_in_the_clients_format(
    kind: str, place: int, player: Player, http: UpstreamHttp
) -> None:
    error = cassette(kind, "errors")["replies"][place]
    player.recording = Recording(
        status=error["status"],
        headers={"content-type": "application/json", **error["headers"]},
        pieces=[json.dumps(error["body"]).encode()],
    )
    provider, ask = the_provider(kind, player, http), an_ask(cassette(kind, "chat"))

    with pytest.raises(UpstreamFailed) as refused:
        await provider.complete(ask)
    with pytest.raises(UpstreamFailed) as streamed:
        await the_events(provider, an_ask(cassette(kind, "chat"), streaming=True))

    client, failure = error["client"], refused.value
    assert (failure.status, streamed.value.status) == (client["status"], client["status"])
    assert b"sk-secret" not in failure.body
    if client.get("code") == "upstream_denied":
        assert (failure.code, failure.body) == ("upstream_denied", b"")
        return
    shown = json.loads(failure.body)["error"]
    assert (shown["code"], shown["message"]) == (client["code"], client["message"])
    waits = {k: v for k, v in error["headers"].items() if not k.startswith("x-amzn")}
    assert failure.headers == client.get("headers", waits)


@pytest.mark.parametrize(("kind", "place"), told("inside"))
async def test_an_error_inside_of_a_200_is_a_failure(
    kind: str, place: int, player: Player, http: UpstreamHttp
) -> None:
    recording = {**cassette(kind, "chat"), **cassette(kind, "errors")["inside"][place]}
    player.recording = replied(recording)

    with pytest.raises(UpstreamFailed) as failed:
        await the_provider(kind, player, http).complete(an_ask(recording))

    assert (failed.value.status, failed.value.upstream_status) == (502, 200)
    assert json.loads(failed.value.body)["error"]["code"] == recording["code"]


@pytest.mark.parametrize(("kind", "place"), told("streams"))
async def test_an_error_in_a_stream_is_a_failure(
    kind: str, place: int, player: Player, http: UpstreamHttp
) -> None:
    recording = {**cassette(kind, "chat"), **cassette(kind, "errors")["streams"][place]}
    player.recording = ADAPTERS[kind].recorded(recording["stream"])

    with pytest.raises(UpstreamFailed) as failed:
        await the_events(the_provider(kind, player, http), an_ask(recording, streaming=True))

    assert json.loads(failed.value.body)["error"]["code"] == recording["code"]


@pytest.mark.parametrize("kind", ADAPTERS)
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/html", b"<html><body>502 Bad Gateway</body></html>"),
        ("application/json", b""),
        ("application/json", b'{"choices": [{"index": 0, "mess'),
        ("application/json", b"[]"),
        ("application/json", b"null"),
        ("application/json", b"{}"),
        ("application/json", b'{"choices": [], "content": 3, "candidates": [], "output": 1}'),
        ("application/json", b'{"choices": {}, "usage": 7, "output": {"message": null}}'),
        ("application/json", b'{"candidates": [3], "content": [3], "usage": {}, "choices": 3}'),
    ],
)
async def test_what_is_no_answer_is_a_failure(
    kind: str, content_type: str, body: bytes, player: Player, http: UpstreamHttp
) -> None:
    player.recording = Recording(
        headers={"content-type": content_type}, pieces=[body] if body else []
    )
    provider = the_provider(kind, player, http)

    with pytest.raises(UpstreamFailed) as whole:
        await provider.complete(an_ask(cassette(kind, "chat")))
    with pytest.raises(UpstreamFailed) as streamed:
        await the_events(provider, an_ask(cassette(kind, "chat"), streaming=True))

    assert (whole.value.status, streamed.value.status) == (502, 502)


@pytest.mark.parametrize("kind", [kind for kind in ADAPTERS if kind != "bedrock"])
@pytest.mark.parametrize(
    "data",
    [
        b"data: {\n\n",
        b"data: 3\n\n",
        b"data: <html>\n\n",
        b'data: {"type": "message_start", "candidates": [{"content": {"parts": [3]}, "index": []}]}\n\n',
        b"",
    ],
)
async def test_events_that_are_none_are_a_failure(
    kind: str, data: bytes, player: Player, http: UpstreamHttp
) -> None:
    player.recording = Recording(
        headers={"content-type": "text/event-stream"}, pieces=[data] if data else []
    )

    with pytest.raises(UpstreamFailed) as failed:
        await the_events(
            the_provider(kind, player, http), an_ask(cassette(kind, "chat"), streaming=True)
        )

    assert failed.value.code == "upstream_malformed"


@pytest.mark.parametrize("kind", ADAPTERS)
async def test_a_caller_that_leaves_takes_the_upstreams_connection_with_it(
    kind: str, player: Player, http: UpstreamHttp
) -> None:
    player.recording = Recording(held=True)
    provider = the_provider(kind, player, http)
    waiting = asyncio.create_task(provider.complete(an_ask(cassette(kind, "chat"))))
    await player.asked.wait()

    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(10):
        await player.left.wait()


@pytest.mark.parametrize("kind", ADAPTERS)
async def test_a_reader_that_leaves_a_stream_closes_the_upstreams(
    kind: str, player: Player, http: UpstreamHttp
) -> None:
    recording = cassette(kind, "chat")
    player.recording = ADAPTERS[kind].recorded(recording["stream"][:1], held=True)
    stream = the_provider(kind, player, http).stream(an_ask(recording, streaming=True))

    async with aclosing(stream):
        assert await anext(stream)

    async with asyncio.timeout(10):
        await player.left.wait()

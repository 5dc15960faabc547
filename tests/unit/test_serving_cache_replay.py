"""Answers that are given again, byte for byte."""

from collections.abc import Sequence

import orjson
import pytest

from services.serving.cache.port import Saved
from services.serving.cache.replay import NOTHING_USED, Hit, Recording, parts_of
from services.serving.domain.account import Account, Event
from services.serving.domain.request import Kind
from services.serving.domain.sse import DONE, data_event
from services.serving.providers.port import Reply
from shared.interactions import Usage
from tests.builders import NOW

USED = Usage(raw='{"prompt_tokens":7}', input_tokens=7, output_tokens=2)
CHUNKS = (
    {"model": "m", "choices": [{"index": 0, "delta": {"content": "Fo"}}]},
    {"model": "m", "choices": [{"index": 0, "delta": {"content": "ur."}, "finish_reason": "stop"}]},
    {"model": "m", "choices": [], "usage": {"prompt_tokens": 7}},
)
CHAT = (
    Event(b": hello\n\n"),
    *(Event(data_event(orjson.dumps(chunk)), dict(chunk)) for chunk in CHUNKS[:2]),
    Event(data_event(orjson.dumps(CHUNKS[2])), dict(CHUNKS[2]), USED, hidden=True),
    Event(DONE, final=True),
)
MESSAGE = (
    Event(b"event: message_start\ndata: {}\n\n", None),
    Event(b"event: content_block_delta\ndata: {}\n\n", dict(CHUNKS[0])),
    Event(b"event: message_delta\ndata: {}\n\n", dict(CHUNKS[1]), USED),
    Event(b"event: message_stop\ndata: {}\n\n", final=True),
)


def a_hit(parts: Sequence[object], kind: Kind) -> Hit:
    return Hit(Saved(tuple(parts), NOW), kind, "exact", 0)  # type: ignore[arg-type]


async def replayed(hit: Hit) -> list[Event]:
    return [event async for batch in hit.stream() for event in batch]


@pytest.mark.parametrize(("kind", "events"), [(Kind.CHAT, CHAT), (Kind.MESSAGE, MESSAGE)])
async def test_a_stream_is_given_again_event_by_event(kind: Kind, events: Sequence[Event]) -> None:
    recording = Recording(kind, limit=10_000)
    for event in events:
        recording.take([event])

    again = await replayed(a_hit(recording.parts, kind))

    assert [(e.raw, e.tree, e.hidden, e.final) for e in again] == [
        (e.raw, e.tree, e.hidden, e.final) for e in events
    ]


async def test_a_stream_that_is_given_again_has_used_nothing() -> None:
    recording = Recording(Kind.CHAT, limit=10_000)
    recording.take(CHAT)
    account = Account()

    account.fold(await replayed(a_hit(recording.parts, Kind.CHAT)), NOW)

    assert account.usage == NOTHING_USED
    assert account.answer.text == "Four."
    assert account.answer.finish_reasons == ["stop"]


async def test_a_long_stream_comes_in_batches_and_ends_once() -> None:
    recording = Recording(Kind.CHAT, limit=1_000_000)
    recording.take(CHAT[1:2] * 128)
    hit = a_hit(recording.parts, Kind.CHAT)

    batches = [batch async for batch in hit.stream()]

    assert [len(batch) for batch in batches] == [64, 64]
    assert [event.usage for event in await replayed(hit)] == [*[None] * 127, NOTHING_USED]


def test_a_stream_that_is_too_long_is_not_recorded() -> None:
    recording = Recording(Kind.CHAT, limit=100)

    recording.take(CHAT[:1])
    at_first = len(recording.parts)
    recording.take(CHAT)
    recording.take(CHAT[:1])

    assert at_first == 1
    assert recording.parts == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (Kind.CHAT, b'{"model": "m", "choices": []}'),
        (Kind.EMBEDDING, b'{"data": [{"embedding": [0.5]}]}'),
    ],
)
def test_an_answer_of_openais_shape_is_its_own_tree(kind: Kind, body: bytes) -> None:
    parts = parts_of(Reply(body, orjson.loads(body), USED), kind)

    reply = a_hit(parts, kind).reply()

    assert (reply.body, reply.tree, reply.usage) == (body, orjson.loads(body), NOTHING_USED)
    assert parts[0].tree == b""


def test_an_answer_of_another_shape_keeps_its_tree_beside_it() -> None:
    tree = {"model": "m", "choices": [{"finish_reason": "stop"}]}
    parts = parts_of(Reply(b'{"type": "message"}', tree, USED), Kind.MESSAGE)

    reply = a_hit(parts, Kind.MESSAGE).reply()

    assert (reply.body, reply.tree) == (b'{"type": "message"}', tree)

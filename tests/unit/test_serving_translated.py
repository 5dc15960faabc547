"""Every protocol over a chat, held against golden files and against the official clients' own reading."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from openai.types import Completion
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from services.serving.domain.account import Account, Event
from services.serving.domain.failure import UpstreamFailed
from services.serving.domain.request import Kind
from services.serving.domain.sse import comment
from services.serving.protocols.port import Translated
from services.serving.protocols.translations import TRANSLATIONS
from services.serving.providers.port import Ask
from shared.clock import from_micros
from tests.translations import (
    Chats,
    Json,
    a_message,
    a_response,
    a_streamed_message,
    a_streamed_response,
    asked,
    chunks_of,
    completions,
    events_of,
    read,
    replied,
    sent,
    streamed,
    trees,
)

GOLDEN = Path(__file__).parents[1] / "corpora" / "protocols"
CASES = sorted(GOLDEN.glob("*/*"))
MODELS: dict[Kind, TypeAdapter[Any]] = {
    Kind.MESSAGE: TypeAdapter(Message),
    Kind.RESPONSE: TypeAdapter(Response),
    Kind.COMPLETION: TypeAdapter(Completion),
}
EVENTS: dict[Kind, TypeAdapter[Any]] = {
    Kind.MESSAGE: TypeAdapter(RawMessageStreamEvent),
    Kind.RESPONSE: TypeAdapter(ResponseStreamEvent),
    # OpenAI's type has no null reason, which every chunk but the last has.
    Kind.COMPLETION: TypeAdapter(dict[str, Any]),
}

every_case = pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}"
)


def of(case: Path, name: str) -> Json:
    tree: Json = json.loads((case / f"{name}.json").read_text())
    return tree


def kind_of(case: Path) -> Kind:
    return Kind(case.parent.name)


async def stream_of(case: Path, *sizes: int) -> bytes:
    events = events_of(*chunks_of(of(case, "chat_answer"), sizes))
    return sent(await streamed(kind_of(case), of(case, "request"), events))


def test_there_is_a_case_of_every_translation() -> None:
    assert {kind_of(case) for case in CASES} == set(TRANSLATIONS)


@every_case
def test_a_request_is_asked_as_the_chat_of_its_golden_file(case: Path) -> None:
    assert asked(kind_of(case), of(case, "request")) == of(case, "chat_request")


@every_case
async def test_an_answer_is_told_as_in_its_golden_file(case: Path) -> None:
    body = await replied(kind_of(case), of(case, "request"), of(case, "chat_answer"))

    assert orjson.loads(body) == of(case, "answer")
    MODELS[kind_of(case)].validate_json(body)


@every_case
async def test_a_stream_is_told_as_in_its_golden_file(case: Path) -> None:
    chunks = trees((case / "chat_stream.txt").read_bytes())

    stream = sent(await streamed(kind_of(case), of(case, "request"), events_of(*chunks)))

    assert stream == (case / "stream.txt").read_bytes()
    for event in trees(stream):
        EVENTS[kind_of(case)].validate_python(event)


@pytest.mark.parametrize(
    "case", [c for c in CASES if kind_of(c) is Kind.MESSAGE], ids=lambda c: c.name
)
async def test_anthropics_client_accumulates_the_message_that_is_told_whole(case: Path) -> None:
    whole = await replied(Kind.MESSAGE, of(case, "request"), of(case, "chat_answer"))

    streamed_message = a_streamed_message(await stream_of(case, 4))
    assert streamed_message.model_dump() == a_message(whole).model_dump()


@pytest.mark.parametrize(
    "case", [c for c in CASES if kind_of(c) is Kind.RESPONSE], ids=lambda c: c.name
)
async def test_openais_client_reads_the_response_that_is_told_whole(case: Path) -> None:
    whole = await replied(Kind.RESPONSE, of(case, "request"), of(case, "chat_answer"))

    read_at_the_end = a_streamed_response(await stream_of(case, 4))

    told = read_at_the_end.to_dict(exclude_unset=True)
    assert Response.model_validate(_unparsed(told)) == a_response(whole)


@pytest.mark.parametrize(
    "case", [c for c in CASES if kind_of(c) is Kind.COMPLETION], ids=lambda c: c.name
)
async def test_openais_client_reads_the_text_of_a_completion_piece_by_piece(case: Path) -> None:
    chunks = completions(await stream_of(case, 4))

    answer = of(case, "answer")
    text = "".join(chunk.choices[0].text for chunk in chunks if chunk.choices)
    assert text == answer["choices"][0]["text"]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.to_dict() == answer["usage"]


@every_case
async def test_a_translated_answer_is_accounted_as_the_chat_it_was(case: Path) -> None:
    kind, answer = kind_of(case), of(case, "chat_answer")
    now = from_micros(0)
    whole, translated, chat = Account(), Account(), Account()
    whole.take(answer, None)

    translated.fold(await streamed(kind, of(case, "request"), events_of(*chunks_of(answer))), now)
    chat.fold(events_of(*chunks_of(answer)), now)

    assert translated.answer.messages == chat.answer.messages == whole.answer.messages
    assert translated.answer.finish_reasons == whole.answer.finish_reasons
    assert translated.usage == chat.usage is not None


@pytest.mark.parametrize("kind", TRANSLATIONS)
async def test_only_the_last_event_of_a_stream_is_final(kind: Kind) -> None:
    case = next(case for case in CASES if kind_of(case) is kind)

    events = await streamed(
        kind, of(case, "request"), events_of(*chunks_of(of(case, "chat_answer")))
    )

    assert [event.final for event in events] == [False] * (len(events) - 1) + [True]
    ends = {
        Kind.MESSAGE: b"event: message_stop\n",
        Kind.RESPONSE: b"event: response.",
        Kind.COMPLETION: b"data: [DONE]\n\n",
    }
    assert events[-1].raw.startswith(ends[kind])


@pytest.mark.parametrize("kind", TRANSLATIONS)
async def test_comments_of_the_upstream_pass(kind: Kind) -> None:
    case = next(case for case in CASES if kind_of(case) is kind)
    wait = Event(comment("waiting"))

    chat = events_of(*chunks_of(of(case, "chat_answer")))
    events = await streamed(kind, of(case, "request"), [wait], chat)

    assert events[0] == wait


@pytest.mark.parametrize("kind", TRANSLATIONS)
async def test_an_upstream_is_asked_a_chat_by_its_own_model_and_nothing_else(kind: Kind) -> None:
    case = next(case for case in CASES if kind_of(case) is kind)
    chats = Chats(of(case, "chat_answer"))
    provider = Translated(chats, TRANSLATIONS[kind])

    await provider.complete(Ask(read(kind, of(case, "request")), "upstream", "00-trace"))

    assert provider.kinds == {kind}
    (ask,) = chats.asked
    assert (ask.model, ask.traceparent, ask.request.kind) == ("upstream", "00-trace", Kind.CHAT)
    assert ask.request.body.tree == of(case, "chat_request")
    assert ask.request.streaming is bool(of(case, "request").get("stream"))


@pytest.mark.parametrize("kind", [Kind.MESSAGE, Kind.RESPONSE])
async def test_a_stream_that_never_began_is_no_answer(kind: Kind) -> None:
    case = next(case for case in CASES if kind_of(case) is kind)

    with pytest.raises(UpstreamFailed) as caught:
        await streamed(kind, of(case, "request"), events_of())

    assert caught.value.code == "upstream_malformed"


@pytest.mark.parametrize("kind", TRANSLATIONS)
@pytest.mark.parametrize("answer", [{}, {"choices": []}, {"choices": [{}]}, {"choices": [1]}])
async def test_an_answer_without_a_message_is_none(kind: Kind, answer: Json) -> None:
    case = next(case for case in CASES if kind_of(case) is kind)

    with pytest.raises(UpstreamFailed) as caught:
        await replied(kind, of(case, "request"), answer)

    assert caught.value.code == "upstream_malformed"


def _unparsed(response: Any) -> Any:
    """A response without what OpenAI's client adds when it reads one into a caller's own type."""
    added = ("parsed", "parsed_arguments")
    if isinstance(response, dict):
        return {name: _unparsed(value) for name, value in response.items() if name not in added}
    return [_unparsed(one) for one in response] if isinstance(response, list) else response

"""OpenAI's first completions over a chat: what is read, refused, carried, and told."""

from typing import Any

import orjson
import pytest

from services.serving.domain.body import parse_body
from services.serving.domain.request import Kind
from services.serving.protocols.completions.reading import completion_request
from shared.errors import Invalid
from tests.translations import Json, asked, events_of, replied, sent, streamed, trees

ASKED: Json = {"model": "m", "prompt": "Two and two is"}
USAGE: Json = {"prompt_tokens": 4, "completion_tokens": 1}


def chat(**fields: Any) -> Json:
    return asked(Kind.COMPLETION, {**ASKED, **fields})


def a_choice(index: int, text: str, reason: str | None = "stop") -> Json:
    message = {"role": "assistant", "content": text}
    return {"index": index, "message": message, "finish_reason": reason}


def a_chunk(*texts: str, reason: str | None = None) -> Json:
    choices = [
        {"index": index, "delta": {"content": text}, "finish_reason": reason}
        for index, text in enumerate(texts)
    ]
    return {"id": "chatcmpl-1", "created": 7, "model": "m-1", "choices": choices}


async def stream_of(*chunks: Json, **fields: Any) -> bytes:
    return sent(await streamed(Kind.COMPLETION, {**ASKED, **fields}, events_of(*chunks)))


def test_a_request_says_its_model_whether_it_streams_and_wants_its_usage() -> None:
    body = {**ASKED, "stream": True, "stream_options": {"include_usage": True}}

    request = completion_request(parse_body(orjson.dumps(body)))

    assert (request.kind, request.model) == (Kind.COMPLETION, "m")
    assert (request.streaming, request.wants_usage) == (True, True)


def test_every_fault_of_a_request_is_named_at_once() -> None:
    body = {"model": "m", "prompt": [], "n": 0, "max_tokens": "9", "echo": 1}

    with pytest.raises(Invalid) as caught:
        completion_request(parse_body(orjson.dumps(body)))

    assert caught.value.faults == (
        "'prompt' must be a string, or a list of strings or tokens that is not empty",
        "'n' must be a whole number from 1 to 128",
        "'max_tokens' must be a whole number",
        "'echo' must be true or false",
    )


@pytest.mark.parametrize("prompt", ["Two and two is", ["Two and two is"]])
def test_the_prompt_is_what_the_user_says(prompt: object) -> None:
    assert chat(prompt=prompt)["messages"] == [{"role": "user", "content": "Two and two is"}]


def test_the_bound_of_an_answer_is_the_protocols_own_where_none_is_set() -> None:
    assert chat()["max_completion_tokens"] == 16
    assert chat(max_tokens=7)["max_completion_tokens"] == 7


def test_options_that_a_chat_has_are_carried() -> None:
    options = {"n": 2, "stop": ["\n"], "seed": 1, "logit_bias": {"50256": -100}, "user": "u"}

    assert chat(**options).items() >= options.items()


@pytest.mark.parametrize(
    "fields", [{"suffix": ""}, {"echo": False}, {"best_of": 1}, {"logprobs": None}, {"new": None}]
)
def test_what_asks_for_nothing_more_is_let_pass(fields: Json) -> None:
    assert chat(**fields) == chat()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"suffix": "."}, "suffix"),
        ({"echo": True}, "echo"),
        ({"best_of": 2}, "best_of"),
        ({"logprobs": 0}, "logprobs"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": [[1, 2]]}, "prompt"),
        ({"newer_than_this": 1}, "newer_than_this"),
    ],
)
def test_what_a_chat_cannot_carry_is_refused_by_name(fields: Json, named: str) -> None:
    with pytest.raises(Invalid) as caught:
        chat(**fields)

    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", named)


async def test_every_choice_is_told() -> None:
    answer = {
        "id": "c",
        "model": "m-1",
        "choices": [a_choice(0, " four"), a_choice(1, " 4", "length")],
    }

    told = orjson.loads(
        await replied(Kind.COMPLETION, {**ASKED, "n": 2}, {**answer, "usage": USAGE})
    )

    assert told["choices"] == [
        {"text": " four", "index": 0, "logprobs": None, "finish_reason": "stop"},
        {"text": " 4", "index": 1, "logprobs": None, "finish_reason": "length"},
    ]
    assert told["usage"]["total_tokens"] == 5


async def test_every_choice_is_streamed_and_ends_by_itself() -> None:
    stream = await stream_of(
        a_chunk("", ""), a_chunk(" four", " 4"), a_chunk("", "", reason="stop")
    )

    told = [[(c["index"], c["text"]) for c in chunk["choices"]] for chunk in trees(stream)]
    assert told == [[(0, " four"), (1, " 4")], [(0, ""), (1, "")]]
    assert stream.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("wanted", [True, False])
async def test_the_usage_of_a_stream_is_told_to_who_asked_for_it(wanted: bool) -> None:
    usage = {"id": "chatcmpl-1", "created": 7, "model": "m-1", "choices": [], "usage": USAGE}

    stream = await stream_of(
        a_chunk(" four", reason="stop"), usage, stream_options={"include_usage": wanted}
    )

    assert [bool(chunk.get("usage")) for chunk in trees(stream)] == (
        [False, True] if wanted else [False]
    )


async def test_half_a_character_that_stays_alone_is_told_as_one_that_is_unknown() -> None:
    chunks = [
        {"choices": [{"index": 0, "delta": {"content": text}}]}
        for text in ("\ud83d", "\ude00", "\ud83d")
    ]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}

    stream = await stream_of(*chunks, end)

    texts = [chunk["choices"][0]["text"] for chunk in trees(stream)]
    assert texts == ["\N{GRINNING FACE}", "\N{REPLACEMENT CHARACTER}"]

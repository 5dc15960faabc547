"""The demo model: what it says is decided by the request alone."""

import math
from typing import Any

import orjson
import pytest

from services.serving.domain.answer import Answer
from services.serving.domain.body import parse_body
from services.serving.domain.failure import UpstreamFailed
from services.serving.domain.request import Request, chat_request, embedding_request
from services.serving.providers.demo.provider import DemoProvider
from services.serving.providers.demo.script import Script, embedding_reply, script_of
from services.serving.providers.demo.specimen import specimen
from services.serving.providers.port import Ask
from shared.clock import SystemClock
from shared.live import Provider as ProviderEntry

CLOCK = SystemClock()
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "enum": ["Bern"]},
                "days": {"type": "integer"},
            },
        },
    },
}


def a_chat(text: str = "hello there", **fields: Any) -> Request:
    body = {"model": "demo", "messages": [{"role": "user", "content": text}], **fields}
    return chat_request(parse_body(orjson.dumps(body)))


def script(text: str = "hello there", **fields: Any) -> Script:
    return script_of(a_chat(text, **fields))


def test_it_says_that_it_is_a_demo_and_repeats_what_it_read() -> None:
    answer = script()

    assert "demo model, not a real language model" in answer.message["content"]
    assert answer.message["content"].endswith("You said: hello there")
    assert answer.finish_reason == "stop"


def test_an_answer_is_cut_at_the_tokens_allowed() -> None:
    answer = script(max_tokens=3)

    assert answer.message["content"] == "This is Leeway's "
    assert answer.finish_reason == "length"
    assert answer.usage == {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}


def test_metadata_decides_the_text_and_the_counts_reported() -> None:
    answer = script(
        metadata={
            "leeway_demo_answer": "I cannot help with that.",
            "leeway_demo_input_tokens": "374",
            "leeway_demo_output_tokens": "44",
        }
    )

    assert answer.message["content"] == "I cannot help with that."
    assert answer.usage == {"prompt_tokens": 374, "completion_tokens": 44, "total_tokens": 418}


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("Get the weather, please.", None),
        ("hello", "required"),
        ("hello", {"type": "function", "function": {"name": "get_weather"}}),
    ],
)
def test_a_tool_is_called_when_it_is_named_or_forced(text: str, choice: Any) -> None:
    answer = script(text, tools=[WEATHER], tool_choice=choice)

    assert answer.finish_reason == "tool_calls"
    assert answer.tool_calls[0]["function"] == {
        "name": "get_weather",
        "arguments": '{"city":"Bern","days":0}',
    }


@pytest.mark.parametrize("choice", [None, "none", "auto"])
def test_a_tool_that_nobody_asks_for_is_not_called(choice: str | None) -> None:
    assert script("hello", tools=[WEATHER], tool_choice=choice).tool_calls == []


def test_after_a_tool_has_answered_it_speaks() -> None:
    said = [{"role": "user", "content": "get weather"}, {"role": "tool", "content": "rain"}]

    assert script(messages=said, tools=[WEATHER]).tool_calls == []


def test_a_format_is_kept() -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}, "n": {"type": "number"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}

    assert script(response_format=wanted).message["content"] == '{"ok":false,"n":0}'
    assert script(response_format={"type": "json_object"}).message["content"] == (
        '{"demo":true,"you_said":"hello there"}'
    )


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"const": 3}, 3),
        ({"default": "x"}, "x"),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, None),
        ({"type": ["string", "null"]}, "demo"),
        ({"type": "array", "items": {"type": "integer", "minimum": 2}, "minItems": 1}, [2]),
        ({"type": "array"}, []),
        ({"type": []}, "demo"),
        (True, None),
    ],
)
def test_specimens_of_schemas(schema: Any, value: Any) -> None:
    assert specimen(schema) == value


def vectors(**fields: Any) -> list[Any]:
    body = {"model": "demo", "input": ["red apples", "red pears", "tax law"], **fields}
    reply = embedding_reply(embedding_request(parse_body(orjson.dumps(body))), "demo")
    return [item["embedding"] for item in reply["data"]]


def test_texts_with_words_in_common_are_nearer() -> None:
    apples, pears, law = vectors()

    def nearness(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True))

    assert len(apples) == 64
    assert round(nearness(apples, apples), 9) == 1.0
    assert round(nearness(apples, pears), 9) == 0.5
    assert round(nearness(apples, law), 9) == 0.0


@pytest.mark.parametrize("dimensions", [2, 3, 8, 63])
def test_in_few_dimensions_texts_still_differ(dimensions: int) -> None:
    texts = [f"{colour} {fruit}" for colour in ("red", "green") for fruit in ("apple", "pear")]

    found = vectors(input=[*texts, "?", "!"], dimensions=dimensions)

    assert len({tuple(round(x, 3) for x in vector) for vector in found}) == 6
    assert [round(math.hypot(*vector), 9) for vector in found] == [1.0] * 6


def test_vectors_come_in_the_size_and_the_encoding_asked_for() -> None:
    assert [len(vector) for vector in vectors(dimensions=8)] == [8, 8, 8]
    assert all(isinstance(vector, str) for vector in vectors(encoding_format="base64"))


@pytest.mark.parametrize(("n", "choices"), [(None, 1), (1, 1), (3, 3)])
async def test_it_gives_the_choices_asked_for_and_counts_them(n: int | None, choices: int) -> None:
    provider = DemoProvider(ProviderEntry("demo", "demo", options={"tokens_per_second": 0}), CLOCK)
    ask = Ask(a_chat(n=n, max_tokens=3), "demo")
    streamed = Answer()

    reply = await provider.complete(ask)
    async for events in provider.stream(ask):
        for event in events:
            streamed.add(event.tree or {})

    assert [choice["index"] for choice in reply.tree["choices"]] == list(range(choices))
    assert reply.usage is not None
    assert reply.usage.output_tokens == 3 * choices
    assert [message["content"] for message in streamed.messages] == ["This is Leeway's "] * choices
    assert streamed.finish_reasons == ["length"] * choices


async def test_it_fails_with_the_status_asked_for() -> None:
    provider = DemoProvider(ProviderEntry("demo", "demo"), CLOCK)
    request = a_chat(metadata={"leeway_demo_status": "429"})

    with pytest.raises(UpstreamFailed) as caught:
        await provider.complete(Ask(request, "demo"))

    assert (caught.value.status, caught.value.headers) == (429, {"retry-after": "1"})

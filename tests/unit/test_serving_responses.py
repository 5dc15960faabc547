"""OpenAI's Responses over a chat: what is read, refused, carried, and told."""

from typing import Any

import orjson
import pytest

from services.serving.domain.body import parse_body
from services.serving.domain.failure import UpstreamFailed, unreachable
from services.serving.domain.request import Kind
from services.serving.protocols.dialect import dialect_of
from services.serving.protocols.responses.reading import response_request
from shared.errors import Invalid
from tests.translations import (
    Json,
    a_streamed_response,
    asked,
    events_of,
    replied,
    response_events,
    sent,
    streamed,
    trees,
)

ASKED: Json = {"model": "m", "input": "hi"}
TOOL: Json = {"type": "function", "name": "weather", "parameters": {"type": "object"}}
USAGE: Json = {"prompt_tokens": 21, "completion_tokens": 5}


def chat(**fields: Any) -> Json:
    return asked(Kind.RESPONSE, {**ASKED, **fields})


def refused(**fields: Any) -> Invalid:
    with pytest.raises(Invalid) as caught:
        chat(**fields)
    return caught.value


def a_chat(message: Json, reason: str | None = "stop") -> Json:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    return {"id": "chatcmpl-1", "created": 7, "model": "m-1", "choices": [choice], "usage": USAGE}


def a_chunk(delta: Json, reason: str | None = None) -> Json:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {"id": "chatcmpl-1", "created": 7, "model": "m-1", "choices": [choice]}


async def told(answer: Json, **fields: Any) -> Json:
    tree: Json = orjson.loads(await replied(Kind.RESPONSE, {**ASKED, **fields}, answer))
    return tree


async def stream_of(*chunks: Json, **fields: Any) -> bytes:
    return sent(await streamed(Kind.RESPONSE, {**ASKED, **fields}, events_of(*chunks)))


def test_a_request_says_its_model_whether_it_streams_and_what_it_belongs_to() -> None:
    body = {**ASKED, "stream": True, "metadata": {"team": "a", "leeway_x": "1"}, "new": {"a": 1}}

    request = response_request(parse_body(orjson.dumps(body)))

    assert (request.kind, request.model, request.streaming) == (Kind.RESPONSE, "m", True)
    assert request.metadata == {"team": "a", "leeway_x": "1"}
    assert request.body.tree["metadata"] == {"team": "a"}
    assert request.body.raw("new") == '{"a":1}'


def test_every_fault_of_a_request_is_named_at_once() -> None:
    body = {"input": [], "stream": 1, "store": "no", "max_output_tokens": True, "text": []}

    with pytest.raises(Invalid) as caught:
        response_request(parse_body(orjson.dumps(body)))

    assert caught.value.faults == (
        "'model' must be a name of 1 to 256 characters",
        "'input' must be a string or a list of items, and not empty",
        "'stream' must be true or false",
        "'store' must be true or false",
        "'max_output_tokens' must be a whole number",
        "'text' must be an object",
    )


def test_a_prompt_may_be_all_that_is_said() -> None:
    body = {"model": "m", "prompt": {"id": "support-agent"}}

    assert response_request(parse_body(orjson.dumps(body))).body.tree == body


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        (
            {"type": "function", "name": "weather"},
            {"type": "function", "function": {"name": "weather"}},
        ),
    ],
)
def test_tool_choices_keep_their_meaning(choice: object, expected: object) -> None:
    assert chat(tools=[TOOL], tool_choice=choice)["tool_choice"] == expected


def test_a_choice_among_no_tools_is_not_passed_on() -> None:
    assert chat(tool_choice="auto", parallel_tool_calls=True, tools=[]).keys() == chat().keys()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"type": "json_object"}),
        (
            {"type": "json_schema", "name": "n", "schema": {}, "description": "d", "strict": None},
            {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "description": "d"}},
        ),
    ],
)
def test_the_format_of_the_text_is_the_answers(given: Json, expected: Json | None) -> None:
    assert chat(text={"format": given}).get("response_format") == expected


def test_what_asks_for_nothing_more_is_let_pass() -> None:
    idle = {
        "store": False,
        "background": False,
        "previous_response_id": None,
        "truncation": "disabled",
        "include": ["reasoning.encrypted_content"],
        "stream_options": {"include_obfuscation": False},
        "max_tool_calls": 3,
        "top_logprobs": 0,
        "context_management": [],
    }

    assert chat(**idle) == chat()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"store": True}, "store"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"truncation": "auto"}, "truncation"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"include": ["message.output_text.logprobs"]}, "message.output_text.logprobs"),
        ({"newer_than_this": 1}, "newer_than_this"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"text": {"voice": "low"}}, "text.voice"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, "tools[0]"),
        ({"tools": [{**TOOL, "defer_loading": True}]}, "tools[0].defer_loading"),
        ({"tools": [TOOL], "tool_choice": {"type": "web_search"}}, "tool_choice"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        ({"input": [{"role": "user", "content": "hi", "newer": 1}]}, "input[0].newer"),
        (
            {
                "input": [
                    {"role": "user", "content": [{"type": "input_text", "text": "", "new": 1}]}
                ]
            },
            "input[0].content[0].new",
        ),
        ({"input": [{"type": "web_search_call", "id": "ws_1"}]}, "input[0]"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input[0].content[0]",
        ),
        (
            {
                "input": [
                    {"role": "user", "content": [{"type": "input_file", "file_url": "https://x"}]}
                ]
            },
            "input[0].content[0]",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_video"}]}]},
            "input[0].content[0]",
        ),
    ],
)
def test_what_a_chat_cannot_carry_is_refused_by_name(fields: Json, named: str) -> None:
    error = refused(**fields)

    assert (error.code, error.status) == ("unsupported_parameter", 400)
    assert named in error.faults[0]


def test_all_that_needs_a_kept_response_is_named_at_once() -> None:
    error = refused(previous_response_id="resp_1", store=True)

    assert error.faults == (
        "'previous_response_id' needs a provider that keeps responses, and chats keep nothing",
        "'store' needs a provider that keeps responses, and chats keep nothing",
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"input": [{}]},
        {"input": [{"role": "user"}]},
        {"input": [{"role": "tool", "content": "x"}]},
        {"input": [{"role": "user", "content": 1}]},
        {"input": [{"role": "user", "content": ["x"]}]},
        {"input": [{"role": "user", "content": [{"type": "input_text"}]}]},
        {"input": [{"type": "function_call", "name": "n"}]},
        {"input": [{"type": "function_call", "name": "n", "call_id": "c", "arguments": {}}]},
        {"input": [{"type": "function_call_output", "call_id": "c"}]},
        {"input": [{"type": []}]},
        {"tools": ["x"]},
        {"tools": [{"type": "function"}]},
        {"tool_choice": "maybe"},
        {"tool_choice": {"type": "function"}},
        {"text": {"format": {"type": "json_schema"}}},
        {"text": {"format": "text"}},
    ],
)
def test_a_wrong_shape_is_the_clients_fault_and_never_ours(fields: Json) -> None:
    error = refused(**fields)

    assert error.status == 400
    assert error.message.endswith(".")


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
        (None, "incomplete", {"reason": None}),
        ("overloaded", "incomplete", {"reason": None}),
    ],
)
async def test_a_response_is_complete_only_when_the_upstream_says_so(
    reason: str | None, status: str, details: Json | None
) -> None:
    whole = await told(a_chat({"content": "Yes."}, reason))
    stream = await stream_of(a_chunk({"content": "Yes."}), a_chunk({}, reason))

    assert (whole["status"], whole["incomplete_details"]) == (status, details)
    assert whole["output"][0]["status"] == status
    assert trees(stream)[-1]["type"] == f"response.{status}"
    assert a_streamed_response(stream).output[0].to_dict()["status"] == status


async def test_a_response_repeats_what_was_asked_and_says_that_it_is_not_kept() -> None:
    schema = {"type": "json_schema", "name": "n", "schema": {"type": "object"}}

    response = await told(
        a_chat({"content": "{}"}),
        instructions="Be brief.",
        tools=[TOOL],
        temperature=0.5,
        text={"format": schema},
        metadata={"team": "a"},
    )

    repeated = ("instructions", "tools", "temperature", "text", "metadata", "store")
    assert {name: response[name] for name in repeated} == {
        "instructions": "Be brief.",
        "tools": [TOOL],
        "temperature": 0.5,
        "text": {"format": schema},
        "metadata": {"team": "a"},
        "store": False,
    }


async def test_a_response_without_counts_tells_none() -> None:
    answer = a_chat({"content": "Yes."})

    assert (await told({**answer, "usage": None}))["usage"] is None


async def test_text_between_calls_is_items_in_the_order_it_came() -> None:
    call = {"index": 0, "id": "c1", "function": {"name": "now", "arguments": "{}"}}
    stream = await stream_of(
        a_chunk({"content": "First."}),
        a_chunk({"tool_calls": [call]}),
        a_chunk({"content": "Then."}),
        a_chunk({}, "stop"),
    )

    output = [item.to_dict() for item in a_streamed_response(stream).output]
    assert [item["type"] for item in output] == ["message", "function_call", "message"]
    assert len({item["id"] for item in output}) == 3


async def test_every_event_of_an_item_names_it_and_its_place() -> None:
    stream = await stream_of(a_chunk({"refusal": "No"}), a_chunk({"refusal": "."}, "stop"))

    events = trees(stream)
    assert [event["type"].removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "refusal.delta",
        "refusal.delta",
        "refusal.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert {event.get("item_id", "msg_1_0") for event in events} == {"msg_1_0"}
    assert {event["response"]["id"] for event in events if "response" in event} == {"resp_1"}


async def test_a_cut_stream_ends_with_an_error_and_is_never_complete() -> None:
    events = await streamed(Kind.RESPONSE, ASKED, events_of(a_chunk({"content": "Ye"})))
    begun = sent(events[:1])
    error = dialect_of("response").error_event(unreachable("p", "broke off"), after=begun)

    read = response_events(begun + error)

    assert read[-1].type == "error"
    assert read[-1].sequence_number == len(read) - 1
    assert "response.completed" not in {event.type for event in read}


async def test_calls_in_turns_are_no_answer() -> None:
    def call(index: int, call_id: str | None, arguments: str) -> Json:
        function = {"name": "n", "arguments": arguments}
        return {"tool_calls": [{"index": index, "id": call_id, "function": function}]}

    with pytest.raises(UpstreamFailed) as caught:
        await stream_of(*map(a_chunk, [call(0, "c1", "{"), call(1, "c2", "{"), call(0, None, "}")]))

    assert caught.value.code == "upstream_malformed"

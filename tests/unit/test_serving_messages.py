"""Anthropic's Messages over a chat: what is read, refused, carried, and told."""

from typing import Any

import orjson
import pytest

from services.serving.domain.account import Event
from services.serving.domain.body import parse_body
from services.serving.domain.failure import UpstreamFailed
from services.serving.domain.request import Kind
from services.serving.protocols.messages.answering import message_counts
from services.serving.protocols.messages.reading import message_request
from shared.errors import Invalid
from shared.interactions import Usage
from tests.translations import (
    Json,
    a_streamed_message,
    asked,
    events_of,
    replied,
    sent,
    streamed,
    trees,
)

ASKED: Json = {"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]}
TOOL: Json = {"name": "weather", "input_schema": {"type": "object"}}
IMAGE: Json = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}


def chat(**fields: Any) -> Json:
    return asked(Kind.MESSAGE, {**ASKED, **fields})


def said(*blocks: Json, role: str = "user") -> list[Json]:
    """Messages whose last is the user's."""
    message = {"role": role, "content": list(blocks)}
    return [message] if role == "user" else [message, {"role": "user", "content": "go on"}]


def refused(**fields: Any) -> Invalid:
    with pytest.raises(Invalid) as caught:
        chat(**fields)
    return caught.value


def a_choice(message: Json, reason: str | None = "stop", **more: Any) -> Json:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    return {"id": "chatcmpl-1", "model": "m-1", "choices": [{**choice, **more}]}


async def told(answer: Json, **fields: Any) -> Json:
    tree: Json = orjson.loads(await replied(Kind.MESSAGE, {**ASKED, **fields}, answer))
    return tree


def a_chunk(delta: Json, reason: str | None = None, **more: Any) -> Json:
    choice = {"index": 0, "delta": delta, "finish_reason": reason, **more}
    return {"id": "chatcmpl-1", "model": "m-1", "choices": [choice]}


def a_call(index: int, call_id: str | None = None, name: str | None = None, text: str = "") -> Json:
    function = {"name": name, "arguments": text} if name else {"arguments": text}
    return {"tool_calls": [{"index": index, "id": call_id, "function": function}]}


async def stream_of(*chunks: Json, **fields: Any) -> bytes:
    return sent(await streamed(Kind.MESSAGE, {**ASKED, **fields}, events_of(*chunks)))


def test_a_request_says_its_model_whether_it_streams_and_for_whom() -> None:
    body = {
        **ASKED,
        "stream": True,
        "metadata": {"user_id": "u-1", "leeway_x": "1"},
        "new": {"a": 1},
    }

    request = message_request(parse_body(orjson.dumps(body)))

    assert (request.kind, request.model, request.streaming) == (Kind.MESSAGE, "m", True)
    assert request.metadata == {"user_id": "u-1", "leeway_x": "1"}
    assert request.body.tree["metadata"] == {"user_id": "u-1"}
    assert request.body.raw("new") == '{"a":1}'


def test_every_fault_of_a_request_is_named_at_once() -> None:
    body = {
        "messages": [],
        "max_tokens": 0,
        "system": 1,
        "stream": 1,
        "temperature": True,
        "tools": {},
    }

    with pytest.raises(Invalid) as caught:
        message_request(parse_body(orjson.dumps(body)))

    assert caught.value.faults == (
        "'model' must be a name of 1 to 256 characters",
        "'messages' must be a list of messages, and not empty",
        "'max_tokens' must be a whole number from 1",
        "'system' must be a string or a list of text blocks",
        "'stream' must be true or false",
        "'temperature' must be a number",
        "'tools' must be a list",
    )


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        (
            {"type": "tool", "name": "weather"},
            {"type": "function", "function": {"name": "weather"}},
        ),
    ],
)
def test_tool_choices_keep_their_meaning(choice: Json, expected: object) -> None:
    asked_chat = chat(tools=[TOOL], tool_choice=choice)

    assert asked_chat["tool_choice"] == expected
    assert "parallel_tool_calls" not in asked_chat


def test_a_choice_among_no_tools_is_not_passed_on() -> None:
    idle = {"type": "auto", "disable_parallel_tool_use": True}

    assert chat(tool_choice=idle).keys() == chat().keys()


@pytest.mark.parametrize(
    ("fields", "effort"),
    [
        ({"thinking": {"type": "disabled"}}, None),
        ({"thinking": {"type": "adaptive"}}, None),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "low"),
        ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, "medium"),
        ({"thinking": {"type": "enabled", "budget_tokens": 32000}}, "high"),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}}, "medium"),
        ({"output_config": {"effort": "max"}}, "xhigh"),
    ],
)
def test_a_budget_for_thinking_is_an_effort(fields: Json, effort: str | None) -> None:
    assert chat(**fields).get("reasoning_effort") == effort


def test_thoughts_and_marks_for_the_cache_are_passed_over() -> None:
    mark = {"type": "ephemeral"}
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    hidden = {"type": "redacted_thinking", "data": "x"}
    text = {"type": "text", "text": "Yes.", "cache_control": mark, "citations": None}

    messages = chat(messages=said(thought, hidden, text, role="assistant"), cache_control=mark)[
        "messages"
    ]

    assert messages[0] == {"role": "assistant", "content": "Yes."}


def test_what_tools_answer_beside_text_follows_when_all_have_answered() -> None:
    results: list[Json] = [
        {"type": "tool_result", "tool_use_id": "t1", "content": [IMAGE]},
        {"type": "tool_result", "tool_use_id": "t2"},
    ]

    messages = chat(messages=said(*results))["messages"]

    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    assert messages == [
        {"role": "tool", "tool_call_id": "t1", "content": ""},
        {"role": "tool", "tool_call_id": "t2", "content": ""},
        {
            "role": "user",
            "content": [{"type": "text", "text": "From the tool's answer to t1:"}, image],
        },
    ]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"container": "c"}, "container"),
        ({"mcp_servers": [{"url": "https://x"}]}, "mcp_servers"),
        ({"newer_than_this": 1}, "newer_than_this"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0]"),
        ({"tools": [{**TOOL, "defer_loading": True}]}, "tools[0].defer_loading"),
        ({"output_config": {"task_budget": {"total": 9}}}, "output_config.task_budget"),
        ({"messages": said({"type": "server_tool_use"})}, "messages[0].content[0]"),
        ({"messages": said({"type": "search_result"})}, "messages[0].content[0]"),
        (
            {"messages": said({"type": "image", "source": {"type": "file", "file_id": "f"}})},
            "messages[0].content[0]",
        ),
        (
            {"messages": said({"type": "document", "source": {"type": "url", "url": "https://x"}})},
            "messages[0].content[0]",
        ),
        (
            {
                "messages": said(
                    {
                        "type": "document",
                        "source": {"type": "text", "data": "x"},
                        "citations": {"enabled": True},
                    }
                )
            },
            "messages[0].content[0]",
        ),
    ],
)
def test_what_a_chat_cannot_carry_is_refused_by_name(fields: Json, param: str) -> None:
    error = refused(**fields)

    assert (error.code, error.param, error.status) == ("unsupported_parameter", param, 400)
    assert param in error.faults[0]


def test_the_beginning_of_an_answer_is_not_taken_for_a_turn() -> None:
    error = refused(
        messages=[*ASKED["messages"], {"role": "assistant", "content": "The answer is"}]
    )

    assert error.code == "unsupported_parameter"


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"role": "tool", "content": "x"}]},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": 5}]},
        {"messages": said("text")},  # type: ignore[arg-type]
        {"messages": said({"type": "text"})},
        {"messages": said({"type": "image", "source": "x"})},
        {"messages": said({"type": "tool_result", "content": "x"})},
        {
            "messages": said(
                {"type": "tool_use", "id": "t", "name": "n", "input": []}, role="assistant"
            )
        },
        {"messages": said({"type": "tool_use", "id": "t", "input": {}}, role="assistant")},
        {"system": [{"type": "text", "text": 1}]},
        {"tools": ["weather"]},
        {"tools": [{"name": "weather"}]},
        {"tool_choice": {"type": "tool"}},
        {"thinking": {"type": "enabled"}},
        {"output_config": {"format": {"type": "json_schema"}}},
        {"service_tier": []},
    ],
)
def test_a_wrong_shape_is_the_clients_fault_and_never_ours(fields: Json) -> None:
    error = refused(**fields)

    assert error.status == 400
    assert error.message.endswith(".")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (a_choice({"content": "x"}), ("end_turn", None)),
        (a_choice({"content": "x"}, "length"), ("max_tokens", None)),
        (a_choice({"content": "x"}, "content_filter"), ("refusal", None)),
        (a_choice({"content": "x"}, stop_reason="END"), ("stop_sequence", "END")),
        (a_choice({"content": "x"}, stop_reason="other"), ("end_turn", None)),
        (a_choice({"content": "x"}, stop_reason=2), ("end_turn", None)),
        (a_choice({"content": "x"}, None), (None, None)),
        (a_choice({"content": "x"}, "overloaded"), ("overloaded", None)),
    ],
)
async def test_the_reason_of_an_end_is_told_and_never_invented(
    answer: Json, expected: tuple[str | None, str | None]
) -> None:
    message = await told(answer, stop_sequences=["END"])

    assert (message["stop_reason"], message["stop_sequence"]) == expected


@pytest.mark.parametrize("reason", ["tool_calls", "function_call", "stop"])
async def test_a_call_that_the_client_forced_ends_with_the_use_of_a_tool(reason: str) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "now", "arguments": ""}}

    message = await told(a_choice({"content": None, "tool_calls": [call]}, reason))

    assert message["stop_reason"] == "tool_use"
    assert message["content"] == [{"type": "tool_use", "id": "c", "name": "now", "input": {}}]


@pytest.mark.parametrize("arguments", ['{"a": 1', "[1]", "no", '{"a": NaN}'])
async def test_arguments_that_are_no_object_are_no_answer(arguments: str) -> None:
    call = {"id": "c", "function": {"name": "now", "arguments": arguments}}

    with pytest.raises(UpstreamFailed) as caught:
        await told(a_choice({"tool_calls": [call]}, "tool_calls"))

    assert caught.value.code == "upstream_malformed"


async def test_arguments_that_the_bound_cut_are_told_as_anthropics_client_reads_them() -> None:
    call = {"id": "c", "function": {"name": "find", "arguments": '{"city": "Zürich", "day": "Mon'}}

    whole = await told(a_choice({"tool_calls": [call]}, "length"))
    stream = await stream_of(
        a_chunk(a_call(0, "c", "find")),
        a_chunk(a_call(0, text=call["function"]["arguments"])),  # type: ignore[index]
        a_chunk({}, "length"),
    )

    read = a_streamed_message(stream).content[0]
    assert whole["content"][0]["input"] == {"city": "Zürich"}
    assert (read.type, whole["stop_reason"]) == ("tool_use", "max_tokens")


async def test_a_number_larger_than_64_bits_passes_as_it_is() -> None:
    call = {
        "id": "c",
        "function": {"name": "now", "arguments": '{"n": 123456789012345678901234567890}'},
    }

    body = await replied(Kind.MESSAGE, ASKED, a_choice({"tool_calls": [call]}, "tool_calls"))

    assert b'"input":{"n": 123456789012345678901234567890}' in body


async def test_calls_one_behind_the_other_are_blocks_one_behind_the_other() -> None:
    stream = await stream_of(
        a_chunk({"role": "assistant", "content": ""}),
        a_chunk({"content": "Both."}),
        a_chunk(a_call(0, "c1", "weather", '{"city"')),
        a_chunk(a_call(0, text=': "Bern"}')),
        a_chunk(a_call(1, "c2", "now", "{}")),
        a_chunk({}, "tool_calls"),
    )

    events = [(e["type"], e.get("index")) for e in trees(stream)]
    assert events == [
        ("message_start", None),
        ("content_block_start", 0),
        ("content_block_delta", 0),
        ("content_block_stop", 0),
        ("content_block_start", 1),
        ("content_block_delta", 1),
        ("content_block_delta", 1),
        ("content_block_stop", 1),
        ("content_block_start", 2),
        ("content_block_delta", 2),
        ("content_block_stop", 2),
        ("message_delta", None),
        ("message_stop", None),
    ]


async def test_whole_calls_that_a_server_numbers_all_alike_are_several() -> None:
    stream = await stream_of(
        a_chunk(a_call(0, "c1", "weather", "{}")),
        a_chunk(a_call(0, "c2", "now", "{}")),
        a_chunk({}, "stop"),
    )

    message = a_streamed_message(stream)
    assert [block.to_dict()["name"] for block in message.content] == ["weather", "now"]
    assert message.stop_reason == "tool_use"


async def test_a_call_without_an_id_is_given_one() -> None:
    call = {"function": {"name": "now", "arguments": "{}"}}

    message = await told(a_choice({"tool_calls": [call]}, "tool_calls"))

    assert message["content"][0]["id"].startswith("call_")


@pytest.mark.parametrize(
    "chunks",
    [
        [a_call(0, "c1", "a", "{"), a_call(1, "c2", "b", "{"), a_call(0, text="}")],
        [a_call(0, "c1")],
    ],
)
async def test_calls_that_no_client_could_read_are_no_answer(chunks: list[Json]) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        await stream_of(*map(a_chunk, chunks))

    assert caught.value.code == "upstream_malformed"


async def test_what_was_whole_before_a_fault_is_the_clients() -> None:
    batch = events_of(a_chunk({"content": "Yes."}), a_chunk(a_call(0, "c1")))
    given: list[Event] = []

    with pytest.raises(UpstreamFailed):
        await streamed(Kind.MESSAGE, ASKED, batch, into=given)

    assert b'"text":"Yes."' in sent(given)


async def test_a_stream_whose_usage_is_never_told_counts_nothing() -> None:
    stream = await stream_of(a_chunk({"content": "Yes."}, "stop"))

    assert trees(stream)[-2]["usage"] == message_counts(Usage())


async def test_other_choices_than_the_first_are_not_told() -> None:
    other = {"index": 1, "delta": {"content": "No."}, "finish_reason": "length"}
    chunk = a_chunk({"content": "Yes."}, "stop")
    chunk["choices"].append(other)

    message = a_streamed_message(await stream_of(chunk))

    assert [block.to_dict()["text"] for block in message.content] == ["Yes."]
    assert message.stop_reason == "end_turn"

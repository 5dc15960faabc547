"""A chat completion over Anthropic's protocol: there and back."""

from typing import Any

import pytest

from services.serving.domain.account import Account
from services.serving.providers.anthropic.answering import chat_error, chat_reply
from services.serving.providers.anthropic.asking import messages_request
from services.serving.providers.anthropic.events import ChunkTranslator
from shared.clock import from_micros
from shared.errors import Invalid
from shared.interactions import Usage

TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def asked(**fields: Any) -> dict[str, Any]:
    chat = {"messages": [{"role": "user", "content": "hi"}], **fields}
    return messages_request(chat, "claude", default_max_tokens=4096)


def test_system_and_developer_messages_are_the_system() -> None:
    request = asked(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "hi"},
            {"role": "developer", "content": [{"type": "text", "text": "In French."}]},
        ]
    )

    assert request == {
        "model": "claude",
        "max_tokens": 4096,
        "system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "In French."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }


def test_tool_results_of_one_turn_are_one_turn_of_the_user() -> None:
    def call(call_id: str) -> dict[str, Any]:
        return {"id": call_id, "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}

    request = asked(
        messages=[
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "content": "Let me see.", "tool_calls": [call("c1"), call("c2")]},
            {"role": "tool", "tool_call_id": "c1", "content": "rain"},
            {"role": "tool", "tool_call_id": "c2", "content": "sun"},
            {"role": "user", "content": "and?"},
        ]
    )

    use = {"type": "tool_use", "name": "weather", "input": {"city": "Bern"}}
    assert request["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Let me see."},
                {**use, "id": "c1"},
                {**use, "id": "c2"},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "c1",
                    "content": [{"type": "text", "text": "rain"}],
                },
                {
                    "type": "tool_result",
                    "tool_use_id": "c2",
                    "content": [{"type": "text", "text": "sun"}],
                },
                {"type": "text", "text": "and?"},
            ],
        },
    ]


def test_images_are_sources() -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]

    content = asked(messages=[{"role": "user", "content": parts}])["messages"][0]["content"]

    assert [block["source"] for block in content] == [
        {"type": "base64", "media_type": "image/png", "data": "AAAA"},
        {"type": "url", "url": "https://example.com/a.png"},
    ]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", {"type": "any", "disable_parallel_tool_use": True}),
        ("none", {"type": "none"}),
        (None, {"type": "auto", "disable_parallel_tool_use": True}),
        (
            {"type": "function", "function": {"name": "weather"}},
            {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
        ),
    ],
)
def test_tool_choices_keep_their_meaning(choice: Any, expected: dict[str, Any]) -> None:
    request = asked(tools=[TOOL], tool_choice=choice, parallel_tool_calls=False)

    assert request["tools"] == [{"name": "weather", "input_schema": {"type": "object"}}]
    assert request["tool_choice"] == expected


def test_sampling_and_formats_are_carried_over() -> None:
    schema = {"type": "object"}
    request = asked(
        max_completion_tokens=7,
        temperature=1.7,
        stop="END",
        user="u-1",
        stream=True,
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
    )

    del request["model"], request["messages"]
    assert request == {
        "max_tokens": 7,
        "temperature": 1,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u-1"},
        "stream": True,
        "output_config": {"format": {"type": "json_schema", "schema": schema}},
    }


def test_what_cannot_be_asked_is_refused_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        asked(n=2, logprobs=True, logit_bias={"1": 2}, seed=3, frequency_penalty=0, stub=None)

    assert caught.value.code == "unsupported_parameter"
    assert caught.value.faults == (
        "'n' has no counterpart there",
        "'logprobs' has no counterpart there",
        "'logit_bias' has no counterpart there",
        "'seed' has no counterpart there",
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
        {"messages": [{"role": "user", "content": 3}]},
        {"messages": [{"role": "user", "content": [3]}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"id": "c"}]}]},
        {
            "messages": [
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{"}}],
                }
            ]
        },
        {"tools": [{"type": "web_search"}]},
        {"tools": 3},
        {"response_format": {"type": "json_object"}},
    ],
)
def test_shapes_without_a_counterpart_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        asked(**fields)


def a_message(**fields: Any) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "model": "claude-1",
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        **fields,
    }


@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
        (None, None),
    ],
)
def test_stop_reasons_are_finish_reasons(
    stop_reason: str | None, finish_reason: str | None
) -> None:
    reply = chat_reply(a_message(stop_reason=stop_reason), Usage(), 0)

    assert reply["choices"][0]["finish_reason"] == finish_reason


def test_a_reply_with_thoughts_and_tools() -> None:
    blocks = [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "text", "text": "A"},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
        {"type": "something_new"},
    ]

    reply = chat_reply(a_message(content=blocks), Usage(input_tokens=10, output_tokens=2), 5)

    assert reply["choices"][0]["message"] == {
        "role": "assistant",
        "content": "A",
        "reasoning_content": "Hm.",
        "thinking_blocks": [{"type": "thinking", "thinking": "Hm.", "signature": "s"}],
        "tool_calls": [
            {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
        ],
    }
    assert reply["usage"]["total_tokens"] == 12


def test_an_error_keeps_its_type_and_message() -> None:
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'

    assert chat_error(body) == (
        b'{"error":{"message":"Overloaded","type":"overloaded_error","param":null,'
        b'"code":"overloaded_error"}}'
    )
    assert chat_error(b"") == chat_error(b"[]") == b""


def test_a_stream_is_folded_like_one_of_openais() -> None:
    translator, account = ChunkTranslator(created=7), Account()
    started = a_message(content=[], usage={"input_tokens": 9, "output_tokens": 1})
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": started},
        {"type": "ping"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "tool_use", "id": "t1", "name": "f", "input": {}},
        },
        {
            "type": "content_block_delta",
            "index": 1,
            "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'},
        },
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use"},
            "usage": {"output_tokens": 12, "cache_read_input_tokens": None},
        },
        {"type": "message_stop"},
    ]

    unfinished = None
    for event in events:
        account.fold(list(translator.translate(event)), from_micros(0))
        unfinished = unfinished or account.usage

    assert translator.ended
    assert account.answer.messages == [
        {
            "role": "assistant",
            "content": "Hi",
            "tool_calls": [
                {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
            ],
        }
    ]
    assert (account.answer.model, account.answer.finish_reasons) == ("claude-1", ["tool_calls"])
    assert account.usage == Usage(
        '{"input_tokens":9,"output_tokens":12}', "anthropic", "", 9, 12, None, None, None
    )
    assert unfinished is not None
    assert unfinished.output_tokens is None

"""Anthropic's Messages asked as chats: what is read, carried, and refused."""

from typing import Any

import orjson
import pytest

from services.serving.domain.body import parse_body
from services.serving.domain.request import Kind
from services.serving.protocols.messages.reading import message_request
from shared.errors import Invalid
from tests.translations import (
    Json,
    asked,
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

    edits = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}

    messages = chat(
        messages=said(thought, hidden, text, role="assistant"),
        cache_control=mark,
        context_management=edits,
    )["messages"]

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
        (
            {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}},
            "context_management.edits[0]",
        ),
        ({"mcp_servers": [{"url": "https://x"}]}, "mcp_servers"),
        ({"newer_than_this": 1}, "newer_than_this"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0]"),
        ({"tools": [{**TOOL, "defer_loading": True}]}, "tools[0].defer_loading"),
        ({"output_config": {"task_budget": {"total": 9}}}, "output_config.task_budget"),
        (
            {"messages": said({"type": "text", "text": "hi", "newer": 1})},
            "messages[0].content[0].newer",
        ),
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
        {"context_management": 1},
        {"context_management": {"edits": 1}},
    ],
)
def test_a_wrong_shape_is_the_clients_fault_and_never_ours(fields: Json) -> None:
    error = refused(**fields)

    assert error.status == 400
    assert error.message.endswith(".")

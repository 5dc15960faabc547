"""Whatever a client asks, an adapter asks the same or refuses with `Invalid`, and never fails otherwise."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from services.serving.domain.body import parse_body
from services.serving.domain.request import Kind, chat_request
from services.serving.providers.anthropic.asking import messages_request
from services.serving.providers.bedrock.asking import converse_request
from services.serving.providers.gemini.asking import content_request
from services.serving.providers.openai.servers import SERVERS, wording_of
from shared.errors import Invalid
from tests.tapes import Json, cassette
from tests.unit.test_serving_providers_shapes import changed, places

JUNK: list[Any] = [None, 0, -1, 1.5, True, "", "x", [], [3], {}, {"type": 3}, [[]], [{}]]
FIELDS = (
    *("thinking_blocks", "tool_calls", "tool_call_id", "extra_content", "cache_control"),
    *("content", "name", "role"),
)
OPTIONS = (
    *("stop", "tools", "tool_choice", "response_format", "reasoning_effort", "service_tier"),
    *("thinking", "output_config", "top_k", "max_tokens", "temperature", "parallel_tool_calls"),
    *("thinkingConfig", "safetySettings", "additionalModelRequestFields", "guardrailConfig"),
    *("n", "seed", "logprobs", "logit_bias", "user", "metadata", "modalities", "cachedContent"),
)
ASKING: dict[str, Callable[[Json], object]] = {
    "anthropic": lambda chat: messages_request(chat, "claude", 4096),
    "gemini": lambda chat: content_request(chat, "gemini-2.5-flash"),
    "gemini-3": lambda chat: content_request(chat, "gemini-3-pro"),
    "bedrock": lambda chat: converse_request(chat, "eu.anthropic.claude-v1:0"),
    "nova": lambda chat: converse_request(chat, "amazon.nova-pro-v1:0"),
    **{
        kind: lambda chat, kind=kind: wording_of(kind, SERVERS[kind]).changes(Kind.CHAT, chat)  # type: ignore[misc]
        for kind in SERVERS
    },
}
CASES = ("chat", "tools", "tools_answered", "image", "schema", "thinking", "cached")


def asked(ask: Callable[[Json], object], chat: Json) -> None:
    """Ask what the door lets in."""
    try:
        request = chat_request(parse_body(orjson.dumps(chat)))
        orjson.dumps(ask(request.body.tree))
    except Invalid:
        return


@pytest.mark.parametrize("name", ASKING)
@pytest.mark.parametrize("case", CASES)
def test_a_chat_with_junk_at_any_place(name: str, case: str) -> None:
    chat = cassette("anthropic", case)["request"]

    for place in places(chat):
        for junk in JUNK if place else ():
            asked(ASKING[name], changed(chat, place, junk))


@pytest.mark.parametrize("name", ASKING)
def test_a_chat_with_junk_in_any_field(name: str) -> None:
    chat = cassette("anthropic", "tools_answered")["request"]

    for junk in JUNK:
        for option in OPTIONS:
            asked(ASKING[name], {**chat, option: junk})
        for place in range(len(chat["messages"])):
            for field in FIELDS:
                message = {**chat["messages"][place], field: junk}
                asked(ASKING[name], changed(chat, ("messages", place), message))

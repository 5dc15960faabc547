"""What a model thought, signed or sealed: told to a client of Messages, and given back only to who signs."""

from typing import Any

import orjson
import pytest

from services.serving.domain.request import Kind
from services.serving.protocols.port import Translated
from services.serving.protocols.translations import TRANSLATIONS
from services.serving.providers.port import Ask
from tests.translations import (
    Chats,
    Json,
    a_message,
    a_streamed_message,
    a_streamed_response,
    events_of,
    read,
    replied,
    sent,
    streamed,
    trees,
)

ASKED: Json = {"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]}
SIGNED: Json = {"type": "thinking", "thinking": "A tool.", "signature": "sig"}
SEALED: Json = {"type": "redacted_thinking", "data": "c2VhbGVk"}
CALL: Json = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
USE: Json = {"type": "tool_use", "id": "c1", "name": "now", "input": {}}
ANSWER: Json = {
    "id": "chatcmpl-1",
    "model": "m-1",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": None,
                "reasoning_content": "A tool.",
                "thinking_blocks": [SIGNED, SEALED],
                "tool_calls": [CALL],
            },
            "finish_reason": "tool_calls",
        }
    ],
}


def chunks() -> list[Json]:
    deltas: list[Json] = [
        {"reasoning_content": "A to"},
        {"reasoning_content": "ol."},
        {"thinking_blocks": [{**SIGNED, "thinking": ""}]},
        {"thinking_blocks": [SEALED]},
        {"tool_calls": [{**CALL, "index": 0}]},
    ]
    told = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    return [{"id": "chatcmpl-1", "model": "m-1", **chunk} for chunk in (*told, end)]


async def asked_again(*blocks: Json, thoughts: bool) -> list[Json]:
    """The chat's messages of a turn that gives the blocks back."""
    result = {"type": "tool_result", "tool_use_id": "c1", "content": "noon"}
    turns: list[Any] = [*ASKED["messages"], {"role": "assistant", "content": list(blocks)}]
    turns.append({"role": "user", "content": [result]})
    chats = Chats(ANSWER)
    provider = Translated(chats, TRANSLATIONS[Kind.MESSAGE], thoughts=thoughts)
    await provider.complete(Ask(read(Kind.MESSAGE, {**ASKED, "messages": turns}), "upstream"))
    messages: list[Json] = chats.asked[0].request.body.tree["messages"]
    return messages


async def test_thoughts_are_told_with_what_they_are_given_back_by() -> None:
    told = orjson.loads(await replied(Kind.MESSAGE, ASKED, ANSWER))

    assert told["content"] == [SIGNED, SEALED, USE]


async def test_thoughts_in_pieces_are_the_thoughts_told_whole() -> None:
    whole = await replied(Kind.MESSAGE, ASKED, ANSWER)

    stream = sent(await streamed(Kind.MESSAGE, ASKED, events_of(*chunks())))

    assert a_streamed_message(stream).model_dump() == a_message(whole).model_dump()


async def test_who_signs_thoughts_is_given_them_back_before_the_call() -> None:
    messages = await asked_again(SIGNED, SEALED, USE, thoughts=True)

    assert messages[1] == {
        "role": "assistant",
        "content": None,
        "thinking_blocks": [SIGNED, SEALED],
        "tool_calls": [{**CALL, "function": {"name": "now", "arguments": "{}"}}],
    }
    assert [message["role"] for message in messages] == ["user", "assistant", "tool"]


async def test_what_was_said_beside_thoughts_is_one_message_with_them() -> None:
    text = {"type": "text", "text": "Let me see."}

    messages = await asked_again(SIGNED, text, USE, thoughts=True)

    assert messages[1]["content"] == "Let me see."
    assert messages[1]["thinking_blocks"] == [SIGNED]
    assert len(messages) == 3


@pytest.mark.parametrize("thought", [SIGNED, SEALED, {**SIGNED, "signature": ""}])
async def test_others_are_given_no_thoughts(thought: Json) -> None:
    messages = await asked_again(thought, USE, thoughts=False)

    assert messages[1].keys() == {"role", "content", "tool_calls"}


@pytest.mark.parametrize("thoughts", [True, False])
async def test_a_thought_that_nobody_signed_goes_back_to_nobody(*, thoughts: bool) -> None:
    messages = await asked_again({**SIGNED, "signature": ""}, USE, thoughts=thoughts)

    assert "thinking_blocks" not in messages[1]


async def test_a_response_tells_thoughts_as_summaries_and_what_is_sealed_as_it_is() -> None:
    whole = orjson.loads(await replied(Kind.RESPONSE, {"model": "m", "input": "hi"}, ANSWER))

    stream = sent(
        await streamed(Kind.RESPONSE, {"model": "m", "input": "hi"}, events_of(*chunks()))
    )

    assert [item["type"] for item in whole["output"]] == ["reasoning", "reasoning", "function_call"]
    assert whole["output"][0]["summary"] == [{"type": "summary_text", "text": "A tool."}]
    assert whole["output"][1]["encrypted_content"] == "c2VhbGVk"
    assert trees(stream)[-1]["response"]["output"] == whole["output"]
    assert [item.type for item in a_streamed_response(stream).output] == [
        item["type"] for item in whole["output"]
    ]

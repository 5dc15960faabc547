"""Anthropic's client against Leeway: messages, streams, tools."""

import asyncio
import os

from anthropic import Anthropic, AsyncAnthropic

MODEL, TEXT = os.environ["LEEWAY_MODEL"], os.environ["LEEWAY_TEXT"]
ASKED = [{"role": "user", "content": "What does Leeway pass?"}]
TOOL = {
    "name": "weather",
    "description": "The weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def messages(client: Anthropic) -> None:
    answer = client.messages.create(model=MODEL, max_tokens=50, system="Be short.", messages=ASKED)
    assert [block.text for block in answer.content] == [TEXT], answer
    assert (answer.type, answer.stop_reason) == ("message", "end_turn")
    assert (answer.usage.input_tokens, answer.usage.cache_read_input_tokens) == (17, 4), answer
    assert answer.usage.output_tokens == 5, answer


def streams(client: Anthropic) -> None:
    with client.messages.stream(model=MODEL, max_tokens=50, messages=ASKED) as stream:
        said = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert said == TEXT, said
    assert final.content[0].text == TEXT, final
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", 5), final


def tools(client: Anthropic) -> None:
    answer = client.messages.create(model=MODEL, max_tokens=50, messages=ASKED, tools=[TOOL])
    [call] = answer.content
    assert (answer.stop_reason, call.name, call.input) == (
        "tool_use",
        "weather",
        {"city": "Zürich"},
    ), answer
    told = [
        *ASKED,
        {"role": "assistant", "content": answer.content},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}],
        },
    ]
    after = client.messages.create(model=MODEL, max_tokens=50, messages=told, tools=[TOOL])
    assert after.content[0].text == TEXT, after
    with client.messages.stream(model=MODEL, max_tokens=50, messages=ASKED, tools=[TOOL]) as stream:
        streamed = stream.get_final_message()
    assert streamed.content[0].input == {"city": "Zürich"}, streamed


async def at_once() -> None:
    async with AsyncAnthropic() as client:
        answers = await asyncio.gather(
            *(client.messages.create(model=MODEL, max_tokens=50, messages=ASKED) for _ in range(8))
        )
        assert {answer.content[0].text for answer in answers} == {TEXT}


if __name__ == "__main__":
    with Anthropic() as client:
        for check in (messages, streams, tools):
            check(client)
            print("ok", check.__name__)
    asyncio.run(at_once())
    print("ok at_once")

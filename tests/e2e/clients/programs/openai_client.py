"""OpenAI's client against Leeway: chats, streams, tools, structured outputs, responses, embeddings."""

import asyncio
import os

from openai import AsyncOpenAI, OpenAI, pydantic_function_tool
from pydantic import BaseModel

MODEL, TEXT = os.environ["LEEWAY_MODEL"], os.environ["LEEWAY_TEXT"]
ASKED = [{"role": "user", "content": "What does Leeway pass?"}]


class Weather(BaseModel):
    """The weather of a city."""

    city: str


TOOLS = [pydantic_function_tool(Weather)]


def chats(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=ASKED)
    assert answer.choices[0].message.content == TEXT, answer
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens == 21, answer.usage
    assert answer.usage.completion_tokens == 5, answer.usage
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=ASKED)
    assert raw.headers["x-request-id"] == raw.headers["x-leeway-interaction-id"]


def streams(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model=MODEL, messages=ASKED, stream_options={"include_usage": True}
    ) as stream:
        said = "".join(event.delta for event in stream if event.type == "content.delta")
        final = stream.get_final_completion()
    assert said == final.choices[0].message.content == TEXT, said
    assert final.usage.total_tokens == 26, final.usage
    chunks = list(client.chat.completions.create(model=MODEL, messages=ASKED, stream=True))
    assert all(chunk.choices for chunk in chunks), "usage was told without being asked for"


def tools(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=ASKED, tools=TOOLS)
    [call] = answer.choices[0].message.tool_calls
    assert answer.choices[0].finish_reason == "tool_calls"
    assert (call.function.name, Weather.model_validate_json(call.function.arguments).city) == (
        "Weather",
        "Zürich",
    )
    told = [
        *ASKED,
        answer.choices[0].message,
        {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
    ]
    after = client.chat.completions.create(model=MODEL, messages=told, tools=TOOLS)
    assert after.choices[0].message.content == TEXT
    with client.chat.completions.stream(model=MODEL, messages=ASKED, tools=TOOLS) as stream:
        streamed = stream.get_final_completion().choices[0].message.tool_calls[0]
    assert streamed.function.parsed_arguments == Weather(city="Zürich"), streamed


def structured(client: OpenAI) -> None:
    answer = client.chat.completions.parse(model=MODEL, messages=ASKED, response_format=Weather)
    assert answer.choices[0].message.parsed == Weather(city="Zürich"), answer


def responses(client: OpenAI) -> None:
    answer = client.responses.create(model=MODEL, input="What does Leeway pass?")
    assert (answer.output_text, answer.status) == (TEXT, "completed"), answer
    assert answer.usage.input_tokens == 21, answer.usage
    with client.responses.stream(model=MODEL, input="What does Leeway pass?") as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed"), kinds
    assert final.output_text == TEXT, final
    parsed = client.responses.parse(model=MODEL, input="Where?", text_format=Weather)
    assert parsed.output_parsed == Weather(city="Zürich"), parsed


def completions(client: OpenAI) -> None:
    answer = client.completions.create(model=MODEL, prompt="Leeway passes", max_tokens=20)
    assert answer.choices[0].text == TEXT, answer
    pieces = client.completions.create(
        model=MODEL, prompt="Leeway passes", max_tokens=20, stream=True
    )
    assert "".join(piece.choices[0].text for piece in pieces if piece.choices) == TEXT


def models(client: OpenAI) -> None:
    assert MODEL in {model.id for model in client.models.list()}
    assert client.models.retrieve(MODEL).id == MODEL


def embeddings(client: OpenAI) -> None:
    if os.environ["LEEWAY_EMBEDS"]:
        vectors = client.embeddings.create(model=os.environ["LEEWAY_EMBEDS"], input=["a", "b"])
        assert len(vectors.data) == 2, vectors


async def at_once() -> None:
    async with AsyncOpenAI() as client:
        answers = await asyncio.gather(
            *(client.chat.completions.create(model=MODEL, messages=ASKED) for _ in range(8))
        )
        assert {answer.choices[0].message.content for answer in answers} == {TEXT}
        stream = await client.chat.completions.create(model=MODEL, messages=ASKED, stream=True)
        said = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
        assert "".join(said) == TEXT, said


if __name__ == "__main__":
    with OpenAI() as client:
        for check in (
            chats,
            streams,
            tools,
            structured,
            responses,
            completions,
            models,
            embeddings,
        ):
            check(client)
            print("ok", check.__name__)
    asyncio.run(at_once())
    print("ok at_once")

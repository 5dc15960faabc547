"""Pydantic AI against Leeway: answers, streams, tools and typed outputs, by OpenAI's chats and responses."""

import asyncio
import os

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models import Model
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel

MODEL, TEXT = os.environ["LEEWAY_MODEL"], os.environ["LEEWAY_TEXT"]


class Weather(BaseModel):
    """The weather of a city."""

    city: str


async def check(model: Model) -> None:
    agent = Agent(model)
    answer = await agent.run("What does Leeway pass?")
    assert answer.output == TEXT, answer
    async with agent.run_stream("What does Leeway pass?") as stream:
        said = [piece async for piece in stream.stream_text(delta=True)]
    assert "".join(said) == TEXT, said
    asked: list[str] = []
    helped = Agent(model)

    @helped.tool_plain
    def weather(city: str) -> str:
        """The weather of a city."""
        asked.append(city)
        return "sunny"

    answer = await helped.run("What is the weather like?")
    assert (answer.output, asked) == (TEXT, ["Zürich"]), (answer, asked)
    typed = await Agent(model, output_type=Weather).run("Which city?")
    assert typed.output == Weather(city="Zürich"), typed


if __name__ == "__main__":
    for model in (OpenAIChatModel(MODEL), OpenAIResponsesModel(MODEL)):
        asyncio.run(check(model))
        print("ok", type(model).__name__)

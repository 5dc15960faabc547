"""Instructor against Leeway, by OpenAI's protocol and by Anthropic's."""

import os

import instructor
from anthropic import Anthropic
from openai import OpenAI
from pydantic import BaseModel

MODEL = os.environ["LEEWAY_MODEL"]
ASKED = [{"role": "user", "content": "Which city?"}]


class Weather(BaseModel):
    """The weather of a city."""

    city: str


if __name__ == "__main__":
    for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA):
        client = instructor.from_openai(OpenAI(), mode=mode)
        found = client.chat.completions.create(model=MODEL, messages=ASKED, response_model=Weather)
        assert found.city == "Zürich", found
        print("ok", mode.value)
    client = instructor.from_anthropic(Anthropic())
    found = client.chat.completions.create(
        model=MODEL, max_tokens=50, messages=ASKED, response_model=Weather
    )
    assert found.city == "Zürich", found
    print("ok anthropic")

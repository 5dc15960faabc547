"""LangChain against Leeway, by OpenAI's protocol and by Anthropic's."""

import os

from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

MODEL, TEXT = os.environ["LEEWAY_MODEL"], os.environ["LEEWAY_TEXT"]


class Weather(BaseModel):
    """The weather of a city."""

    city: str


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


def check(model: BaseChatModel) -> None:
    answer = model.invoke("What does Leeway pass?")
    assert answer.text == TEXT, answer
    assert answer.usage_metadata["output_tokens"] == 5, answer.usage_metadata
    said = "".join(chunk.text for chunk in model.stream("What does Leeway pass?"))
    assert said == TEXT, said
    [call] = model.bind_tools([weather]).invoke("Where?").tool_calls
    assert (call["name"], call["args"]) == ("weather", {"city": "Zürich"}), call
    found = model.with_structured_output(Weather, method="function_calling").invoke("Where?")
    assert found == Weather(city="Zürich"), found


if __name__ == "__main__":
    check(ChatOpenAI(model=MODEL, stream_usage=True))
    print("ok openai")
    check(ChatAnthropic(model=MODEL, max_tokens=50))
    print("ok anthropic")

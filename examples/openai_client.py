"""OpenAI's own client through Leeway, unmodified: a call, a stream, and a tool.

LEEWAY_URL and LEEWAY_API_KEY are what `make up` prints; LEEWAY_MODEL is `demo` unless it is set.
Needs: pip install openai
"""

import json
import os

from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolUnionParam
from openai.types.chat.chat_completion_message_function_tool_call_param import (
    ChatCompletionMessageFunctionToolCallParam as ToolCall,
)
from openai.types.chat.chat_completion_message_function_tool_call_param import Function

MODEL = os.environ.get("LEEWAY_MODEL", "demo")
WEATHER: ChatCompletionToolUnionParam = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def main() -> None:
    url, key = os.environ["LEEWAY_URL"], os.environ["LEEWAY_API_KEY"]
    with OpenAI(base_url=f"{url}/v1", api_key=key) as client:
        call(client)
        stream(client)
        use_a_tool(client)


def call(client: OpenAI) -> None:
    """Session, user and tags travel in `metadata`; headers tell the interaction and its cost."""
    raw = client.chat.completions.with_raw_response.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Where is my card?"}],
        metadata={"session_id": "support-1", "user_id": "u-7", "team": "support"},
    )
    print(raw.parse().choices[0].message.content)
    print("interaction", raw.headers["x-leeway-interaction-id"], raw.parse().usage)
    print("cost in USD", raw.headers.get("x-leeway-cost-usd", "unknown: no price"))


def stream(client: OpenAI) -> None:
    chunks = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Count to three."}],
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in chunks:
        print("".join(choice.delta.content or "" for choice in chunk.choices), end="", flush=True)
        if chunk.usage:
            print("\nstreamed", chunk.usage.completion_tokens, "tokens")


def use_a_tool(client: OpenAI) -> None:
    messages: list[ChatCompletionMessageParam] = [
        {"role": "user", "content": "The weather in Paris?"}
    ]
    asked = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
    for call in asked.choices[0].message.tool_calls or ():
        assert call.type == "function"
        print("tool", call.function.name, json.loads(call.function.arguments))
        function: Function = {"name": call.function.name, "arguments": call.function.arguments}
        asks: ToolCall = {"id": call.id, "type": "function", "function": function}
        messages.append({"role": "assistant", "tool_calls": [asks]})
        messages.append({"role": "tool", "tool_call_id": call.id, "content": '{"sky": "clear"}'})
    answer = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
    print("answer", answer.choices[0].message.content)


if __name__ == "__main__":
    main()

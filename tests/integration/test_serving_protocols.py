"""Unmodified clients of every protocol against upstreams of another one, over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import openai
import pytest
from anthropic import AsyncAnthropic, AsyncStream
from anthropic.types import RawMessageStreamEvent
from openai import AsyncOpenAI

from tests.gateway import Gateway, Wiring, gateway
from tests.upstream import TEXT, Upstream, served

HI: Any = [{"role": "user", "content": "hi"}]
TOOL: Any = {"name": "weather", "input_schema": {"type": "object"}}
FUNCTION: Any = {"type": "function", "name": "weather", "parameters": {"type": "object"}}


@pytest.fixture
async def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
async def leeway(upstream: Upstream) -> AsyncIterator[Gateway]:
    """`chats` is served by a server of chats, `claude` by Anthropic's protocol, `demo` by nobody."""
    async with served(upstream.app()) as urls:
        wiring = Wiring(
            providers={
                "stub": {"kind": "deepseek", "base_url": f"{urls[0]}/v1", "api_key": "${STUB}"},
                "claude": {"kind": "anthropic", "base_url": urls[0], "api_key": "${STUB}"},
                "demo": {"kind": "demo", "options": {"tokens_per_second": 0}},
            },
            models={
                "chats": {"routes": [{"provider": "stub", "model": "chat-1"}]},
                "claude": {"routes": [{"provider": "claude", "model": "claude-1"}]},
                "demo": {"routes": [{"provider": "demo", "model": "demo"}]},
            },
            secrets={"STUB": "sk-stub"},
        )
        async with gateway(wiring) as running:
            yield running


@pytest.fixture
async def claude(leeway: Gateway) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=leeway.url, api_key=leeway.key, max_retries=0) as made:
        yield made


@pytest.fixture
async def client(leeway: Gateway) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{leeway.url}/v1", api_key=leeway.key, max_retries=0) as made:
        yield made


@pytest.mark.parametrize("model", ["chats", "claude"])
async def test_a_message_is_answered_by_every_provider(
    claude: AsyncAnthropic, leeway: Gateway, model: str
) -> None:
    message = await claude.messages.create(
        model=model, max_tokens=64, messages=HI, system="Be brief."
    )

    assert [block.to_dict()["text"] for block in message.content] == [TEXT]
    assert message.stop_reason == "end_turn"
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (17, 4, 5)
    [stored] = leeway.interactions
    assert (stored.kind, stored.status, stored.output_text) == ("message", "ok", TEXT)
    assert (stored.input_tokens, stored.output_tokens) == (21, 5)


@pytest.mark.parametrize("model", ["chats", "claude"])
async def test_a_streamed_message_is_the_same_message(
    claude: AsyncAnthropic, leeway: Gateway, model: str
) -> None:
    async with claude.messages.stream(model=model, max_tokens=64, messages=HI) as stream:
        message = await stream.get_final_message()

    whole = await claude.messages.create(model=model, max_tokens=64, messages=HI)
    assert message.model_dump() == whole.model_dump()
    assert [one.output_text for one in leeway.interactions] == [TEXT, TEXT]
    assert [one.output_tokens for one in leeway.interactions] == [5, 5]


async def test_a_tool_is_called_and_its_result_goes_back(
    claude: AsyncAnthropic, upstream: Upstream
) -> None:
    async with claude.messages.stream(
        model="chats", max_tokens=64, messages=HI, tools=[TOOL]
    ) as stream:
        called = await stream.get_final_message()
    [use] = called.content
    assert use.type == "tool_use"

    result = {"type": "tool_result", "tool_use_id": use.id, "content": "rain"}
    turns: Any = [*HI, {"role": "assistant", "content": called.content}]
    turns.append({"role": "user", "content": [result]})
    said = await claude.messages.create(model="chats", max_tokens=64, messages=turns, tools=[TOOL])

    assert (called.stop_reason, use.name, use.input) == ("tool_use", "weather", {"city": "Zürich"})
    assert said.stop_reason == "end_turn"
    assert [message["role"] for message in upstream.received[-1].body["messages"]] == [
        "user",
        "assistant",
        "tool",
    ]


@pytest.mark.parametrize("model", ["chats", "claude", "demo"])
async def test_a_response_is_answered_by_every_provider(
    client: AsyncOpenAI, leeway: Gateway, model: str
) -> None:
    whole = await client.responses.create(model=model, input="hi", instructions="Be brief.")
    async with client.responses.stream(model=model, input="hi") as stream:
        response = await stream.get_final_response()

    assert whole.status == response.status == "completed"
    assert whole.output_text == response.output_text
    assert whole.usage is not None
    assert response.usage is not None
    assert [one.kind for one in leeway.interactions] == ["response", "response"]
    assert [one.output_tokens for one in leeway.interactions] == [
        whole.usage.output_tokens,
        response.usage.output_tokens,
    ]


@pytest.mark.parametrize("model", ["chats", "claude"])
async def test_a_function_is_called_in_a_response(client: AsyncOpenAI, model: str) -> None:
    response = await client.responses.create(model=model, input="hi", tools=[FUNCTION])
    [call] = response.output
    assert call.type == "function_call"

    answer: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
    turns: Any = [*HI, call, answer]
    said = await client.responses.create(model=model, input=turns, tools=[FUNCTION], store=False)

    assert (call.name, call.arguments.replace(" ", "")) == ("weather", '{"city":"Zürich"}')
    assert said.output_text == TEXT


@pytest.mark.parametrize("model", ["chats", "claude"])
async def test_a_completion_is_answered_by_every_provider(client: AsyncOpenAI, model: str) -> None:
    whole = await client.completions.create(model=model, prompt="Say it:")
    stream = await client.completions.create(
        model=model, prompt="Say it:", stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]

    assert whole.choices[0].text == TEXT
    assert "".join(c.choices[0].text for c in chunks if c.choices) == TEXT
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens == 5


async def test_what_cannot_be_carried_is_refused_in_the_clients_words(
    claude: AsyncAnthropic, client: AsyncOpenAI, upstream: Upstream
) -> None:
    search: Any = {"type": "web_search_20250305", "name": "web_search"}

    with pytest.raises(anthropic.BadRequestError) as message:
        await claude.messages.create(model="chats", max_tokens=64, messages=HI, tools=[search])
    with pytest.raises(openai.BadRequestError) as response:
        await client.responses.create(model="chats", input="hi", previous_response_id="resp_1")

    told: Any = message.value.body
    assert (told["type"], told["error"]["type"]) == ("error", "invalid_request_error")
    assert "tools[0]" in told["error"]["message"]
    assert response.value.code == "unsupported_parameter"
    assert upstream.received == []


@pytest.mark.parametrize("model", ["chats", "claude"])
async def test_an_upstreams_refusal_is_told_in_the_clients_protocol(
    claude: AsyncAnthropic, upstream: Upstream, model: str
) -> None:
    openai_said = '{"error": {"message": "Slow down.", "type": "requests", "code": "limit"}}'
    anthropic_said = '{"type":"error","error":{"type":"rate_limit_error","message":"Slow down."}}'
    body = openai_said if model == "chats" else anthropic_said
    upstream.stub = {"status": 429, "body": body, "headers": {"retry-after": "7"}}

    with pytest.raises(anthropic.RateLimitError) as caught:
        await claude.messages.create(model=model, max_tokens=64, messages=HI)

    told: Any = caught.value.body
    assert told["error"]["type"] == "rate_limit_error"
    assert told["error"]["message"] == "Slow down."
    assert caught.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("model", ["chats", "claude"])
@pytest.mark.parametrize("stub", [{"cut_after": 3}, {"error_after": 3}])
async def test_a_cut_message_is_an_error_and_never_a_whole_one(
    claude: AsyncAnthropic, leeway: Gateway, upstream: Upstream, model: str, stub: Any
) -> None:
    upstream.stub = stub

    stream = await claude.messages.create(model=model, max_tokens=64, messages=HI, stream=True)
    events: list[str] = []
    with pytest.raises(anthropic.APIStatusError) as caught:
        await _types_into(events, stream)

    told: Any = caught.value.body
    assert told["type"] == "error"
    assert events[0] == "message_start"
    assert "message_stop" not in events
    [stored] = leeway.interactions
    assert stored.status == "interrupted"


@pytest.mark.parametrize("model", ["chats", "claude"])
async def test_a_cut_response_ends_with_an_error_and_is_never_completed(
    client: AsyncOpenAI, leeway: Gateway, upstream: Upstream, model: str
) -> None:
    upstream.stub = {"cut_after": 3}

    stream = await client.responses.create(model=model, input="hi", stream=True)
    events = [event async for event in stream]

    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].type == "error"
    assert "response.completed" not in {event.type for event in events}
    [stored] = leeway.interactions
    assert stored.status == "interrupted"


async def test_an_answer_of_a_tool_that_is_no_object_is_a_502_in_anthropics_words(
    claude: AsyncAnthropic, upstream: Upstream
) -> None:
    call = '{"id": "c", "type": "function", "function": {"name": "n", "arguments": "[1]"}}'
    message = f'{{"role": "assistant", "content": null, "tool_calls": [{call}]}}'
    upstream.stub = {"body": f'{{"choices": [{{"index": 0, "message": {message}}}]}}'}

    with pytest.raises(anthropic.InternalServerError) as caught:
        await claude.messages.create(model="chats", max_tokens=64, messages=HI)

    told: Any = caught.value.body
    assert caught.value.status_code == 502
    assert told["error"]["code"] == "upstream_malformed"


async def test_tokens_are_counted_by_who_would_answer(
    claude: AsyncAnthropic, leeway: Gateway, upstream: Upstream
) -> None:
    count = await claude.messages.count_tokens(model="claude", messages=HI, system="Be brief.")

    assert count.input_tokens == 21
    [asked] = upstream.received
    assert asked.path == "/v1/messages/count_tokens"
    assert asked.body == {"model": "claude-1", "messages": HI, "system": "Be brief."}
    assert leeway.interactions == []


async def test_nobody_guesses_how_many_tokens_a_request_is(
    claude: AsyncAnthropic, upstream: Upstream
) -> None:
    with pytest.raises(anthropic.BadRequestError) as caught:
        await claude.messages.count_tokens(model="chats", messages=HI)

    told: Any = caught.value.body
    assert told["error"]["code"] == "unsupported_operation"
    assert "x-leeway-interaction-id" not in caught.value.response.headers
    assert upstream.received == []


async def test_a_count_that_is_refused_upstream_is_no_count(
    claude: AsyncAnthropic, upstream: Upstream
) -> None:
    upstream.stub = {"body": '{"tokens": 21}'}

    with pytest.raises(anthropic.InternalServerError) as caught:
        await claude.messages.count_tokens(model="claude", messages=HI)

    assert caught.value.status_code == 502


async def _types_into(events: list[str], stream: AsyncStream[RawMessageStreamEvent]) -> None:
    async for event in stream:
        events.append(event.type)  # noqa: PERF401 - what came before an error is wanted, too

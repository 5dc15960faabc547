"""A fault of the SDK's own recording never reaches the host, and the host's own faults pass unchanged."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from openai_stub import completion, failure
from sdk_stub import Answerer, Stub, serving

import leeway
from leeway.counters import Counters
from leeway.items import Lane
from leeway.observing import Observation, observed
from leeway.openai import observe

ASK: Any = [{"role": "user", "content": "Hi"}]
Do = Callable[[Any], Any]


class Leave(BaseException):
    """No `Exception`: what KeyboardInterrupt and cancellation are, too."""


class Unspeakable:
    """A value that cannot be told: its class is asked, its parts are dumped, its text is made in vain."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        raise RuntimeError("repr")

    __str__ = __repr__

    def __bool__(self) -> bool:
        raise RuntimeError("bool")

    def __len__(self) -> int:
        raise RuntimeError("len")


class BrokenTaker:
    """A taker of spans that takes none."""

    def __init__(self) -> None:
        self.counters = Counters()

    def take_span(self, item: Mapping[str, object]) -> None:
        raise RuntimeError("the recording is broken")


class BrokenClient(leeway.Client):
    """A client whose way to the server is broken."""

    def _send(self, lane: Lane, item: Mapping[str, object]) -> None:
        raise RuntimeError("the recording is broken")


def give(value: Any) -> Any:
    return value


def throw(fault: BaseException) -> Any:
    raise fault


def plain(value: Any, do: Do) -> Any:
    return do(value)


async def coroutine(value: Any, do: Do) -> Any:
    return do(value)


def generator(value: Any, do: Do) -> Iterator[Any]:
    yield do(value)


async def async_generator(value: Any, do: Do) -> AsyncIterator[Any]:
    yield do(value)


KINDS: list[Callable[[Any, Do], Any]] = [plain, coroutine, generator, async_generator]


async def called(function: Callable[[Any, Do], Any], value: Any, do: Do = give) -> Any:
    """What a function of any kind answers, or yields."""
    answer = function(value, do)
    if inspect.iscoroutinefunction(function):
        return await answer
    if inspect.isasyncgenfunction(function):
        return [one async for one in answer].pop()
    return list(answer).pop() if inspect.isgeneratorfunction(function) else answer


@pytest.mark.parametrize("function", KINDS)
async def test_a_broken_recording_changes_no_observed_function(
    function: Callable[..., Any],
) -> None:
    taker = BrokenTaker()

    answer = await called(observed(function, taker, Observation()), 7)

    assert answer == 7
    assert taker.counters.stats(pending=0).invalid == 1


@pytest.mark.parametrize("function", KINDS)
@pytest.mark.parametrize("fault", [ValueError("the host's own"), Leave()])
async def test_what_an_observed_function_raises_is_raised_although_the_recording_is_broken(
    function: Callable[..., Any], fault: BaseException
) -> None:
    with pytest.raises(type(fault)) as caught:
        await called(observed(function, BrokenTaker(), Observation()), fault, throw)

    assert caught.value is fault


@pytest.mark.parametrize("function", KINDS)
async def test_what_cannot_be_told_passes_an_observed_function(
    client: leeway.Client, function: Callable[..., Any]
) -> None:
    value = Unspeakable()

    answer = await called(client.observe(function), value)

    assert answer is value


def test_a_decorator_that_cannot_be_understood_leaves_the_function_as_it_is(
    client: leeway.Client,
) -> None:
    observe: Any = client.observe

    assert observe(name=Unspeakable())(plain) is plain
    assert observe(capture_output=Unspeakable())(plain) is plain
    assert client.stats().invalid == 2


def test_what_cannot_be_told_stops_no_span(client: leeway.Client, stub: Stub) -> None:
    told: Any = Unspeakable()

    with client.span("work", attributes=told) as span:
        span.set("it", told)
        span.event(told, told)

    assert client.flush()
    assert [item["name"] for item in stub.items("spans")] == ["work"]
    assert client.stats().invalid == 3


@pytest.mark.parametrize("stream", [False, True])
def test_a_broken_recording_changes_no_call_of_an_observed_client(*, stream: bool) -> None:
    with provider(completion) as (client, taker):
        ask = client.chat.completions.create(model="m", messages=ASK, stream=stream)
        said = (
            "".join(chunk.choices[0].delta.content or "" for chunk in ask if chunk.choices)
            if isinstance(ask, openai.Stream)
            else ask.choices[0].message.content
        )

    assert said == "Hello"
    assert taker.stats().invalid == 1


def test_a_providers_error_is_raised_although_the_recording_is_broken() -> None:
    with provider(failure) as (client, taker), pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="m", messages=ASK)

    assert taker.stats().invalid == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_broken_recording_changes_no_call_of_an_observed_async_client(
    *, stream: bool
) -> None:
    with serving() as server:
        server.answer = completion
        taker = BrokenClient(leeway.Options("lk", server.url, spool_dir="off"))
        plain_client = openai.AsyncOpenAI(api_key="sk", base_url=server.url, max_retries=0)
        async with observe(plain_client, leeway_client=taker) as client:
            ask = await client.chat.completions.create(model="m", messages=ASK, stream=stream)
            if isinstance(ask, openai.AsyncStream):
                assert len([chunk async for chunk in ask]) == 5

    assert taker.stats().invalid == 1


@contextmanager
def provider(answer: Answerer) -> Iterator[tuple[openai.OpenAI, leeway.Client]]:
    """An observed client of a provider, and the broken client that should have recorded it."""
    with serving() as server:
        server.answer = answer
        taker = BrokenClient(leeway.Options("lk", server.url, spool_dir="off"))
        plain_client = openai.OpenAI(api_key="sk", base_url=server.url, max_retries=0)
        with observe(plain_client, leeway_client=taker) as client:
            yield client, taker

"""Spans nest as the code does, whatever kind of function it is, and change nothing of it."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import pytest
from sdk_stub import Stub

import leeway
from leeway.context import current_place


def spans(client: leeway.Client, stub: Stub) -> dict[str, Any]:
    assert client.flush()
    return {span["name"]: span for span in stub.items("spans")}


def test_spans_nest(client: leeway.Client, stub: Stub) -> None:
    with client.span("outer"), client.span("inner", kind="tool", attributes={"size": 7}) as span:
        span.set("note", "seen")

    told = spans(client, stub)
    outer, inner = told["outer"], told["inner"]
    assert (outer["parent_span_id"], inner["parent_span_id"]) == ("", outer["span_id"])
    assert inner["trace_id"] == outer["trace_id"]
    assert inner["attributes"] == {"leeway.kind": "tool", "size": 7, "note": "seen"}
    assert (inner["kind"], inner["status"], outer["status"]) == ("internal", "ok", "ok")
    assert outer["started_at"] <= inner["started_at"] <= inner["ended_at"] <= outer["ended_at"]
    assert current_place() is None


def test_a_span_tells_what_was_raised_and_lets_it_go_on(client: leeway.Client, stub: Stub) -> None:
    fault = KeyError("missing")

    with pytest.raises(KeyError) as caught, client.span("work"):
        raise fault

    span = spans(client, stub)["work"]
    assert caught.value is fault
    assert (span["status"], span["status_message"]) == ("error", "KeyError: 'missing'")
    told = span["events"][0]["attributes"]
    assert (told["exception.type"], told["exception.message"]) == ("KeyError", "'missing'")
    assert "in test_a_span_tells_what_was_raised" in told["exception.stacktrace"]
    assert current_place() is None


def test_a_session_is_in_everything_within_it(client: leeway.Client, stub: Stub) -> None:
    with client.session("s-1", user="u-7", tags={"plan": "pro"}):
        with client.session(tags={"step": "2"}) as inner, client.span("work"):
            client.record(model="m", tags={"own": "yes"})
        client.record(model="after")
    client.record(model="outside")

    span = spans(client, stub)["work"]
    within, after, outside = stub.items()
    assert (inner.id, inner.user) == ("s-1", "u-7")
    assert (span["session_id"], span["user_id"]) == ("s-1", "u-7")
    assert within["tags"] == {"plan": "pro", "step": "2", "own": "yes"}
    assert (within["trace_id"], within["parent_span_id"]) == (span["trace_id"], span["span_id"])
    assert after["tags"] == {"plan": "pro"}
    assert not {"session_id", "user_id", "tags", "trace_id"} & outside.keys()


def test_a_session_without_an_id_makes_one(client: leeway.Client) -> None:
    with client.session() as first:
        pass
    with client.session() as second:
        pass

    assert first.id
    assert first.id != second.id


def test_observe_tells_a_functions_arguments_and_result(client: leeway.Client, stub: Stub) -> None:
    @client.observe
    def add(a: int, b: int = 2) -> int:
        """Adds."""
        return a + b

    class Shop:
        @client.observe(name="buy", kind="tool")
        def buy(self, what: str) -> None:
            pass

    assert add(1, b=5) == 6
    Shop().buy("tea")

    told = spans(client, stub)
    name = add.__qualname__
    assert (add.__name__, add.__doc__) == ("add", "Adds.")
    assert told[name]["attributes"] == {
        "leeway.kind": "function",
        "leeway.input": '{"a":1,"b":5}',
        "leeway.output": "6",
    }
    assert told["buy"]["attributes"] == {"leeway.kind": "tool", "leeway.input": '{"what":"tea"}'}


def test_observe_captures_nothing_when_told_so(client: leeway.Client, stub: Stub) -> None:
    @client.observe(name="quiet", capture_input=False, capture_output=False)
    def quiet(secret: str) -> str:
        return secret

    quiet("hush")

    assert spans(client, stub)["quiet"]["attributes"] == {"leeway.kind": "function"}


def test_a_huge_argument_is_told_by_its_beginning(client: leeway.Client, stub: Stub) -> None:
    @client.observe(name="huge", capture_output=False)
    def huge(text: str, numbers: list[int]) -> None:
        pass

    huge("x" * 1_000_000, list(range(1_000_000)))

    assert len(spans(client, stub)["huge"]["attributes"]["leeway.input"]) < 20_000


async def test_async_functions_nest_each_in_its_own_task(client: leeway.Client, stub: Stub) -> None:
    ready = asyncio.Barrier(2) if hasattr(asyncio, "Barrier") else None

    @client.observe(name="leaf")
    async def leaf(name: str) -> str:
        if ready is not None:
            await ready.wait()
        return name

    @client.observe
    async def branch(name: str) -> str:
        with client.span(name):
            return await leaf(name)

    assert inspect.iscoroutinefunction(branch)
    assert list(await asyncio.gather(branch("a"), branch("b"))) == ["a", "b"]

    await client.aflush()
    told = stub.items("spans")
    parents = {span["span_id"]: span["name"] for span in told}
    leaves = [span for span in told if span["name"] == "leaf"]
    assert {parents[leaf["parent_span_id"]] for leaf in leaves} == {"a", "b"}
    for one in leaves:
        said = one["attributes"]["leeway.output"]
        assert parents[one["parent_span_id"]] == said


async def test_a_cancelled_task_ends_its_span_with_an_error(
    client: leeway.Client, stub: Stub
) -> None:
    started = asyncio.Event()

    @client.observe(name="endless")
    async def endless() -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(endless())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await client.aflush()
    assert spans(client, stub)["endless"]["status"] == "error"


def test_a_generators_span_lasts_until_its_end(client: leeway.Client, stub: Stub) -> None:
    @client.observe(name="words")
    def words() -> Iterator[str]:
        with client.span("inside"):
            yield "Hel"
            yield "lo"

    assert inspect.isgeneratorfunction(words)
    for _ in words():
        with client.span("reader"):
            pass

    told = spans(client, stub)
    assert told["inside"]["parent_span_id"] == told["words"]["span_id"]
    assert told["reader"]["parent_span_id"] == ""
    assert told["words"]["attributes"]["leeway.output"] == "Hello"
    assert current_place() is None


def test_a_generator_is_still_sent_to_thrown_into_and_returned_from(
    client: leeway.Client, stub: Stub
) -> None:
    @client.observe(name="talk")
    def talk() -> Generator[str, str, str]:
        heard = yield "first"
        try:
            yield f"heard {heard}"
        except ValueError as fault:
            yield f"caught {fault}"
        return "done"

    talking = talk()
    assert next(talking) == "first"
    assert talking.send("you") == "heard you"
    assert talking.throw(ValueError("it")) == "caught it"
    with pytest.raises(StopIteration) as stop:
        next(talking)

    assert stop.value.value == "done"
    assert spans(client, stub)["talk"]["status"] == "ok"


def test_a_generator_that_is_left_early_runs_its_end(client: leeway.Client, stub: Stub) -> None:
    ended = []

    @client.observe(name="numbers")
    def numbers() -> Iterator[int]:
        try:
            yield from range(10)
        finally:
            ended.append(current_place())

    for _ in numbers():
        break

    span = spans(client, stub)["numbers"]
    assert (span["status"], span["attributes"]["leeway.output"]) == ("ok", "[0]")
    assert [place.span_id for place in ended if place] == [span["span_id"]]


def test_a_generator_may_be_read_in_another_thread(client: leeway.Client, stub: Stub) -> None:
    @client.observe(name="numbers")
    def numbers() -> Iterator[int]:
        with client.span("inside"):
            yield 1
            yield 2

    reading = numbers()
    read = [next(reading)]
    thread = threading.Thread(target=lambda: read.extend(reading))
    thread.start()
    thread.join()

    told = spans(client, stub)
    assert read == [1, 2]
    assert told["inside"]["parent_span_id"] == told["numbers"]["span_id"]


async def test_an_async_generators_span_lasts_until_its_end(
    client: leeway.Client, stub: Stub
) -> None:
    @client.observe(name="words")
    async def words() -> AsyncIterator[str]:
        with client.span("inside"):
            for word in ("Hel", "lo"):
                await asyncio.sleep(0)
                yield word

    assert inspect.isasyncgenfunction(words)
    async for _ in words():
        with client.span("reader"):
            pass

    await client.aflush()
    told = spans(client, stub)
    assert told["inside"]["parent_span_id"] == told["words"]["span_id"]
    assert told["reader"]["parent_span_id"] == ""
    assert told["words"]["attributes"]["leeway.output"] == "Hello"


async def test_an_async_generator_is_still_thrown_into_and_closed(
    client: leeway.Client, stub: Stub
) -> None:
    ended = []

    @client.observe(name="talk")
    async def talk() -> Any:
        try:
            heard = yield "first"
            try:
                yield f"heard {heard}"
            except ValueError:
                yield "caught"
        finally:
            ended.append("closed")

    talking = talk()
    assert await talking.asend(None) == "first"
    assert await talking.asend("you") == "heard you"
    assert await talking.athrow(ValueError()) == "caught"
    await talking.aclose()

    await client.aflush()
    assert ended == ["closed"]
    assert spans(client, stub)["talk"]["status"] == "ok"


async def test_an_error_within_an_async_generator_goes_on(
    client: leeway.Client, stub: Stub
) -> None:
    fault = RuntimeError("broken")

    @client.observe(name="broken")
    async def broken() -> AsyncIterator[int]:
        yield 1
        raise fault

    with pytest.raises(RuntimeError) as caught:
        [one async for one in broken()]

    await client.aflush()
    assert caught.value is fault
    assert spans(client, stub)["broken"]["status"] == "error"


def test_methods_of_every_kind_stay_what_they_are(client: leeway.Client) -> None:
    class Shop:
        @client.observe
        @staticmethod
        def open() -> str:
            return "open"

        @client.observe
        @classmethod
        def name(cls) -> str:
            return cls.__name__

    assert (Shop.open(), Shop().open(), Shop.name()) == ("open", "open", "Shop")


def test_an_object_that_is_called_is_observed(client: leeway.Client, stub: Stub) -> None:
    class Adder:
        def __call__(self, a: int) -> int:
            return a + 1

    add = client.observe(name="adder")(Adder())

    assert add(1) == 2
    assert spans(client, stub)["adder"]["attributes"]["leeway.output"] == "2"

"""`@leeway.observe`: a span around every call of a function, of whatever kind the function is."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from leeway.context import Place, move_to
from leeway.encoding import Excerpt, glance
from leeway.guard import Shield
from leeway.tracing import Span, SpanTaker

if TYPE_CHECKING:
    from typing_extensions import Self

log = logging.getLogger("leeway")

F = TypeVar("F")

_OPTIONS: Mapping[str, type] = {
    "name": str,
    "kind": str,
    "capture_input": bool,
    "capture_output": bool,
}


@dataclass(frozen=True)
class Observation:
    """How the calls of one function are told."""

    name: str = ""
    kind: str = "function"
    capture_input: bool = True
    capture_output: bool = True


def observing(taker: SpanTaker, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
    """What `observe` answers: the function that was given, observed, or a decorator."""
    known = {name: _OPTIONS[name](value) for name, value in options.items() if name in _OPTIONS}
    if len(known) < len(options) or len(args) > 1:
        log.warning("leeway.observe knows %s; the rest is ignored.", ", ".join(_OPTIONS))
    if args and isinstance(args[0], str):
        known.setdefault("name", args[0])
    how = Observation(**known)
    if args and not isinstance(args[0], str):
        return observed(args[0], taker, how)
    return lambda function: observed(function, taker, how)


def observed(function: F, taker: SpanTaker, how: Observation) -> F:
    """The function with a span around each call. What is no function comes back as it is."""
    with Shield("leeway.observe", taker.counters):
        return _observed(function, taker, how)
    return function


def _observed(function: F, taker: SpanTaker, how: Observation) -> F:
    if isinstance(function, (staticmethod, classmethod)):
        return cast("F", type(function)(observed(function.__func__, taker, how)))
    if not callable(function) or inspect.isclass(function):
        log.warning("leeway.observe wants a function, got %s; it is left alone.", type(function))
        return function
    calls = _Calls(function, taker, how)
    return cast("F", functools.wraps(function)(_wrapper(function, calls)))


def _wrapper(function: Callable[..., Any], calls: _Calls) -> Callable[..., Any]:
    """A wrapper of the same kind, so that frameworks which look at the kind see no difference."""
    body = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004 - an object that is called
    for is_kind, wrap in (
        (inspect.isasyncgenfunction, _async_generator),
        (inspect.iscoroutinefunction, _coroutine),
        (inspect.isgeneratorfunction, _generator),
    ):
        if is_kind(function) or is_kind(body):
            return wrap(function, calls)
    return _plain(function, calls)


class _Calls:
    """The spans of one function's calls, with what went in and came out."""

    def __init__(self, function: Callable[..., Any], taker: SpanTaker, how: Observation) -> None:
        self._taker = taker
        self._how = how
        self._name = how.name or getattr(function, "__qualname__", type(function).__qualname__)
        self._parameters: inspect.Signature | None = None
        if how.capture_input:
            with Shield("leeway.observe", taker.counters):
                self._parameters = inspect.signature(function)

    def span(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Span:
        """A span for a call with these arguments."""
        attributes: dict[str, object] = {}
        if self._parameters is not None:
            with Shield("leeway.observe", self._taker.counters):
                attributes["leeway.input"] = _arguments(self._parameters, args, kwargs)
        return Span(self._taker, self._name, kind=self._how.kind, attributes=attributes)

    def output(self, span: Span, value: object) -> None:
        """Note what came out."""
        if self._how.capture_output and value is not None:
            with Shield("leeway.observe", self._taker.counters):
                span.set("leeway.output", glance(value))

    @property
    def captures_output(self) -> bool:
        """Whether what comes out is told."""
        return self._how.capture_output


def _plain(function: Callable[..., Any], calls: _Calls) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        with calls.span(args, kwargs) as span:
            result = function(*args, **kwargs)
            calls.output(span, result)
            return result

    return call


def _coroutine(function: Callable[..., Any], calls: _Calls) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        with calls.span(args, kwargs) as span:
            result = await function(*args, **kwargs)
            calls.output(span, result)
            return result

    return call


def _generator(function: Callable[..., Any], calls: _Calls) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with _Generating(calls, calls.span(args, kwargs)) as inside:
            return (yield from _Steps(function(*args, **kwargs), inside))

    return call


def _async_generator(function: Callable[..., Any], calls: _Calls) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        with _Generating(calls, calls.span(args, kwargs)) as inside:
            reading = _AsyncReading(function(*args, **kwargs))
            while True:
                try:
                    value = await inside.arun(reading.step)
                except StopAsyncIteration:
                    return
                with reading:
                    reading.send((yield value))

    return call


class _Steps(Generator[Any, Any, Any]):
    """A generator's own steps, each run within its span: `yield from` passes on what the reader does."""

    def __init__(self, body: Generator[Any, Any, Any], inside: _Generating) -> None:
        self._body = body
        self._inside = inside

    def send(self, value: Any) -> Any:
        return self._inside.run(functools.partial(self._body.send, value))

    def throw(self, *fault: Any) -> Any:
        return self._inside.run(functools.partial(self._body.throw, *fault))

    def close(self) -> None:
        self._inside.run(self._body.close)


class _AsyncReading:
    """What the reader of an asynchronous generator did last, as the body's next step.

    There is no `yield from` here, so it is done as PEP 380 does it: what is thrown in at the
    `yield`, within `with reading:`, goes into the body, and comes out again if the body lets it.
    """

    def __init__(self, body: AsyncGenerator[Any, Any]) -> None:
        self._body = body
        self.step: Callable[[], Any] = functools.partial(body.asend, None)

    def send(self, value: Any) -> None:
        """The reader read on."""
        self.step = functools.partial(self._body.asend, value)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, fault: BaseException | None, trace: object) -> bool:
        if fault is None:
            return False
        self.step = functools.partial(self._body.athrow, fault)
        return True


class _Generating:
    """The span of a generator: the innermost one only while the generator's own body runs.

    Between two steps it is the reader's code that runs, whose spans are not this one's children.
    """

    def __init__(self, calls: _Calls, span: Span) -> None:
        self._calls = calls
        self._span = span
        self._place: Place | None = None
        self._said = Excerpt()

    def __enter__(self) -> Self:
        self._span.begin()
        self._place = self._span.place
        return self

    def __exit__(self, kind: object, fault: BaseException | None, trace: object) -> None:
        self._calls.output(self._span, self._said.text() or None)
        self._span.end(fault)

    def run(self, step: Callable[[], Any]) -> Any:
        """Run the body up to its next value."""
        outside = move_to(self._place)
        try:
            value = step()
        finally:
            self._place = move_to(outside)
        self._keep(value)
        return value

    async def arun(self, step: Callable[[], Any]) -> Any:
        """Run an asynchronous body up to its next value."""
        outside = move_to(self._place)
        try:
            value = await step()
        finally:
            self._place = move_to(outside)
        self._keep(value)
        return value

    def _keep(self, value: object) -> None:
        if self._calls.captures_output and value is not None:
            with Shield("leeway.observe", self._span.counters):
                self._said.add(value)


def _arguments(
    signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> str:
    try:
        arguments = dict(signature.bind_partial(*args, **kwargs).arguments)
    except TypeError:  # the call is wrong, and is about to say so itself
        arguments = {"args": args, **kwargs}
    for receiver in ("self", "cls"):
        arguments.pop(receiver, None)
    return glance(arguments)

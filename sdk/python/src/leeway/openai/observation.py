"""Watching a client that goes straight to its provider: each call is recorded, and none is changed.

Every endpoint, sync or async, streaming or not, passes `client.request`; that is what is watched, on
the one client that is given. A stream is watched by the iterator behind it, so it stays what it is.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeVar

import httpx
import openai

import leeway
from leeway.client import Client
from leeway.guard import Shield
from leeway.identity import remember
from leeway.openai.call import Call, begin

C = TypeVar("C", bound="openai.OpenAI | openai.AsyncOpenAI")


def observe(client: C, *, provider: str | None = None, leeway_client: Client | None = None) -> C:
    """Record the client's calls from now on; answers the very same client.

    `provider` is its name in Leeway; without one, it is known by the client's URL. Chat and legacy
    completions, responses and embeddings are recorded. A stream tells its usage when it was asked
    to (`stream_options={"include_usage": True}`), which is left to the program.
    """
    taker = leeway_client or leeway.default_client
    with Shield("leeway.openai.observe", taker.counters):
        _watch_client(client, provider, taker)
    return client


def _watch_client(
    client: openai.OpenAI | openai.AsyncOpenAI, provider: str | None, taker: Client
) -> None:
    if not isinstance(client, (openai.OpenAI, openai.AsyncOpenAI)):
        raise TypeError(f"it wants a client of openai, got {type(client).__name__}")
    own = vars(client)
    if isinstance(own.get("request"), _Watch):
        return
    name = provider or _provider(client)
    watch = _AsyncWatch if isinstance(client, openai.AsyncOpenAI) else _SyncWatch
    copy = client.copy

    def observed_copy(*args: Any, **options: Any) -> Any:
        return observe(copy(*args, **options), provider=name, leeway_client=taker)

    own["request"] = watch(client.request, name, taker)
    own["copy"] = own["with_options"] = observed_copy


class _Watch:
    """`client.request`, watched. It takes and answers what that takes and answers."""

    def __init__(self, request: Any, provider: str, taker: Client) -> None:
        self._request = request
        self._provider = provider
        self._taker = taker

    def _begin(self, args: tuple[Any, ...], options: dict[str, Any]) -> Call | None:
        with Shield("leeway.openai.observe", self._taker.counters):
            asked = options["options"] if "options" in options else args[1]
            return begin(asked, self._provider, self._taker)
        return None

    def _watched(self, call: Call, reply: Any) -> Any:
        """The reply, with its interaction remembered; a stream will tell what comes."""
        with Shield("leeway.openai.observe", self._taker.counters):
            remember(reply, call.interaction_id)
            if isinstance(reply, (openai.Stream, openai.AsyncStream)):
                _watch_stream(reply, call)
            else:
                call.finish(reply)
        return reply


class _SyncWatch(_Watch):
    def __call__(self, *args: Any, **options: Any) -> Any:
        call = self._begin(args, options)
        if call is None:
            return self._request(*args, **options)
        with call:
            reply = self._request(*args, **options)
        return self._watched(call, reply)


class _AsyncWatch(_Watch):
    async def __call__(self, *args: Any, **options: Any) -> Any:
        call = self._begin(args, options)
        if call is None:
            return await self._request(*args, **options)
        with call:
            reply = await self._request(*args, **options)
        return self._watched(call, reply)


def _watch_stream(stream: Any, call: Call) -> None:
    """Watch what is read of the stream, and notice when nobody reads on: it is closed, or gone."""
    is_async = isinstance(stream, openai.AsyncStream)
    stream._iterator = (_AsyncChunks if is_async else _Chunks)(stream._iterator, call)
    # Weakly, so that the stream does not hold itself.
    own_close = weakref.WeakMethod(stream.close)

    def observed_close() -> Any:
        call.cancel()
        close = own_close()
        assert close is not None, "whoever calls it holds the stream"
        return close()

    vars(stream)["close"] = observed_close
    weakref.finalize(stream, call.cancel)


class _Chunks:
    """A stream's iterator, watched."""

    def __init__(self, chunks: Iterator[Any], call: Call) -> None:
        self._chunks = chunks
        self._call = call

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        with self._call:
            chunk = next(self._chunks)
        self._call.add(chunk)
        return chunk


class _AsyncChunks:
    """An asynchronous stream's iterator, watched."""

    def __init__(self, chunks: AsyncIterator[Any], call: Call) -> None:
        self._chunks = chunks
        self._call = call

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        with self._call:
            chunk = await self._chunks.__anext__()
        self._call.add(chunk)
        return chunk


def _provider(client: openai.OpenAI | openai.AsyncOpenAI) -> str:
    host = httpx.URL(str(client.base_url)).host
    if isinstance(client, (openai.AzureOpenAI, openai.AsyncAzureOpenAI)):
        return "azure"
    return "openai" if host == "api.openai.com" else host

"""The port of an upstream: what it is asked, what it answers, and what it can do."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from services.serving.domain.account import Event
from services.serving.domain.body import JsonObject
from services.serving.domain.request import Kind, Request
from shared.interactions import Usage


@dataclass(frozen=True, slots=True)
class Ask:
    """What an upstream is asked: the client's request, the upstream's own name of the model, and the
    `traceparent` by which it continues the caller's trace (empty: none).

    `key` is which of the provider's keys it is asked with (`key_references`).
    """

    request: Request
    model: str
    traceparent: str = ""
    key: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer in OpenAI's shape: `body` is what the client is sent, `tree` its JSON."""

    body: bytes
    tree: JsonObject
    usage: Usage | None


Stream = AsyncGenerator[Sequence[Event], None]


class Provider(Protocol):
    """One upstream. Every method may be called by many calls at once.

    Each raises `UpstreamFailed` when no answer comes, and `Invalid` for a request that its protocol
    cannot express. A caller that is cancelled takes the upstream's connection with it.
    """

    @property
    def kinds(self) -> frozenset[Kind]:
        """What it can be asked; it is never asked anything else."""
        ...

    async def complete(self, ask: Ask) -> Reply:
        """The whole answer of a chat."""
        ...

    def stream(self, ask: Ask) -> Stream:
        """The answer of a chat in batches of events, each as soon as it has come, none empty.

        What raises before the first batch left nothing with the client: another route may be asked.
        It ends only when the upstream said that the answer is whole, and raises `UpstreamFailed`
        when the stream ends any other way. The caller closes it (`contextlib.aclosing`).
        """
        ...

    async def embed(self, ask: Ask) -> Reply:
        """The vectors of texts."""
        ...


@runtime_checkable
class Counter(Protocol):
    """A provider that says how many tokens a request is without answering it."""

    async def count(self, ask: Ask) -> bytes:
        """The count, as JSON in the protocol of the request. Raises `UpstreamFailed`."""
        ...

"""The port of a translation between a client's protocol and chats, and the provider that it makes of one."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

from services.serving.domain.account import Event
from services.serving.domain.failure import UpstreamFailed
from services.serving.domain.request import Kind, Request
from services.serving.providers.port import Ask, Provider, Reply, Stream


class Retelling(Protocol):
    """One stream of a chat, told in another protocol; it holds what that protocol must say at its end."""

    def tell(self, event: Event) -> Event:
        """The same event with the client's bytes: `hidden` where there are none to send.

        It is never given the `final` one. Raises `UpstreamFailed` for what the protocol cannot tell.
        """
        ...

    def end(self) -> Sequence[Event]:
        """What ends the whole answer, the last of them `final`; nothing is told after it."""
        ...


class Translation(Protocol):
    """How one kind of request is asked as a chat, and how the chat's answer is said in its protocol."""

    @property
    def kind(self) -> Kind:
        """What clients ask."""
        ...

    def ask(self, request: Request) -> Request:
        """The chat that asks the same. Raises `Invalid` for what a chat cannot carry: nothing is dropped."""
        ...

    def reply(self, request: Request, reply: Reply) -> Reply:
        """The chat's answer with the client's bytes. Raises `UpstreamFailed` for what is no answer."""
        ...

    def retelling(self, request: Request) -> Retelling:
        """A new stream's state."""
        ...


class Translated:
    """A provider that answers what its translation makes a chat of; satisfies `Provider`."""

    def __init__(self, provider: Provider, translation: Translation) -> None:
        self._provider = provider
        self._translation = translation

    @property
    def kinds(self) -> frozenset[Kind]:
        chats = Kind.CHAT in self._provider.kinds
        return frozenset((self._translation.kind,)) if chats else frozenset()

    async def complete(self, ask: Ask) -> Reply:
        reply = await self._provider.complete(self._chat(ask))
        return self._translation.reply(ask.request, reply)

    async def stream(self, ask: Ask) -> Stream:
        retelling = self._translation.retelling(ask.request)
        async with aclosing(self._provider.stream(self._chat(ask))) as stream:
            async for events in stream:
                told: list[Event] = []
                try:
                    told.extend(retelling.tell(event) for event in events if not event.final)
                except UpstreamFailed:
                    if told:  # what was whole before the fault is the client's
                        yield told
                    raise
                if told:
                    yield told
        yield retelling.end()

    async def embed(self, ask: Ask) -> Reply:
        return await self._provider.embed(ask)

    def _chat(self, ask: Ask) -> Ask:
        return replace(ask, request=self._translation.ask(ask.request))

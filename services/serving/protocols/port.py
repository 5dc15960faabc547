"""A translation between a client's protocol and chats, and the provider that it makes of one."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol

import orjson

from services.serving.domain.account import Event
from services.serving.domain.body import Body, JsonObject
from services.serving.domain.failure import UpstreamFailed
from services.serving.domain.request import Kind, Request
from services.serving.providers.port import Ask, Provider, Reply, Stream
from shared.interactions import Usage


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


@dataclass(frozen=True, slots=True)
class Translation:
    """How one kind of request is asked as a chat, and how the chat's answer is said in its protocol.

    `asking` makes a chat's request of the client's and raises `Invalid` for what a chat cannot carry:
    nothing is dropped. `answering` makes the client's answer of the chat's, its usage, the client's
    request and the model's name, in which it raises `UpstreamFailed` for what is no answer.
    """

    kind: Kind
    asking: Callable[[JsonObject], JsonObject]
    answering: Callable[[JsonObject, Usage | None, JsonObject, str], JsonObject]
    retelling: Callable[[Request], Retelling]

    def chat(self, request: Request, *, thoughts: bool = False) -> Request:
        """The chat that asks the same, with the signed `thoughts` of earlier turns or without. Raises `Invalid`."""
        tree = self.asking(request.body.tree)
        if not thoughts:
            tree["messages"] = list(_thoughtless(tree["messages"]))
        wants_usage = self.kind is Kind.COMPLETION and request.wants_usage
        body = Body({}, {}).changed(tree)
        return replace(request, kind=Kind.CHAT, body=body, wants_usage=wants_usage)

    def reply(self, request: Request, reply: Reply) -> Reply:
        """The chat's answer with the client's bytes. Raises `UpstreamFailed`."""
        told = self.answering(reply.tree, reply.usage, request.body.tree, request.model)
        return replace(reply, body=orjson.dumps(told))


class Translated:
    """A provider that answers what its translation makes a chat of; satisfies `Provider`.

    `thoughts`: its models sign what they think and want it back (`thinking_blocks`). To others it means
    nothing, and many would refuse the field.
    """

    def __init__(
        self, provider: Provider, translation: Translation, *, thoughts: bool = False
    ) -> None:
        self._provider = provider
        self._translation = translation
        self._thoughts = thoughts

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
        return replace(ask, request=self._translation.chat(ask.request, thoughts=self._thoughts))


def _thoughtless(messages: list[JsonObject]) -> Iterator[JsonObject]:
    """The messages without thoughts, and without those that were nothing else."""
    for message in messages:
        said = {name: value for name, value in message.items() if name != "thinking_blocks"}
        if said == message or said["content"] is not None or "tool_calls" in said:
            yield said

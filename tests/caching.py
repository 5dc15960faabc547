"""A cache over what is live, as tests of it need one, with an embedder that counts letters."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from services.serving.cache.answers import AnswerCache, Look
from services.serving.cache.local import LocalCache
from services.serving.cache.meaning import Meaning
from services.serving.cache.nearest import Likeness
from services.serving.cache.port import Cache, Part, Saved, Scope
from services.serving.cache.replay import parts_of
from services.serving.domain.answer import Answer
from services.serving.domain.body import parse_body
from services.serving.domain.request import Kind, Request
from services.serving.providers.port import Reply
from shared.clock import SimulatedClock
from shared.embedding import Floats
from shared.errors import Unavailable
from shared.interactions import Context
from shared.live import Caller, LiveView
from tests.builders import NOW, a_caller
from tests.gateway import tell

COST = Decimal("0.000125")
TREE = {
    "model": "gpt-1",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "4"}, "finish_reason": "stop"}
    ],
}


class Letters:
    """An embedder by letters: texts of the same letters are the same."""

    name, dimensions = "letters", 26
    asked = 0

    def embed(self, texts: Sequence[str]) -> Floats:
        self.asked += len(texts)
        counts = [[text.count(chr(97 + letter)) for letter in range(26)] for text in texts]
        vectors = np.array(counts, np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, 1e-9), np.float32)


class Away(LocalCache):
    """A cache that cannot be reached."""

    async def get(self, scope: Scope, key: str) -> Saved | None:
        raise Unavailable("away")

    async def put(self, scope: Scope, key: str, saved: Saved, seconds: float) -> None:
        raise Unavailable("away")

    async def near(
        self, scope: Scope, question: Likeness, within: float, since: object
    ) -> Saved | None:
        raise Unavailable("away")


@dataclass
class House:
    """A cache over what is live, on a clock that the test moves."""

    live: LiveView
    clock: SimulatedClock
    memory: LocalCache
    shared: Cache
    cache: AnswerCache
    letters: Letters

    async def look(self, request: Request | None = None, control: str = "", **changes: Any) -> Look:
        caller: Caller = changes.get("caller", a_caller())
        context: Context = changes.get("context", Context(user_id="ann"))
        return await self.cache.look(caller, request or a_request(), context, control)

    async def keep(self, request: Request | None = None, control: str = "", **changes: Any) -> Look:
        """Look, and keep an answer where there is none."""
        asked = request or a_request()
        look = await self.look(asked, control, **changes)
        await self.cache.keep(look, parts(asked), answer(), COST)
        return look


def a_house(
    cache: Mapping[str, Any] | None = None, *, content: str = "full", shared: Cache | None = None
) -> House:
    clock, live = SimulatedClock(NOW), LiveView(b"pepper")
    policy = {"cache": {"exact_seconds": 60} if cache is None else cache}
    tell(live, "tenant", "acme", {"content": content, "policy": policy})
    tell(live, "tenant", "umbrella", {"content": content, "policy": policy})
    tell(live, "model", "gpt", {"routes": [{"provider": "stub", "model": "gpt-1"}]})
    memory = a_cache(clock)
    there = shared or a_cache(clock)
    letters = Letters()
    answers = AnswerCache(live, clock, Meaning(letters), memory, there, max_answer_bytes=10_000)
    return House(live, clock, memory, there, answers, letters)


def a_cache(clock: SimulatedClock) -> LocalCache:
    return LocalCache(clock, capacity_bytes=1_000_000, questions=100)


def a_request(said: str = "What is two and two?", **changes: Any) -> Request:
    kind = changes.pop("kind", Kind.CHAT)
    streaming = changes.get("stream", False)
    tree = {"model": "gpt", "messages": [{"role": "user", "content": said}], **changes}
    return Request(kind, "gpt", parse_body(json.dumps(tree).encode()), {}, streaming=streaming)


def parts(request: Request) -> Sequence[Part]:
    return parts_of(Reply(json.dumps(TREE).encode(), TREE, None), request.kind)


def answer(tree: Mapping[str, Any] = TREE) -> Answer:
    folded = Answer()
    folded.add(dict(tree))
    return folded


def ended(*reasons: str | None) -> Answer:
    choices = [
        {"index": place, "message": {"content": "x"}, "finish_reason": reason}
        for place, reason in enumerate(reasons)
    ]
    return answer({"choices": choices})

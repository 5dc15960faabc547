"""Questions as what they can be compared by: the embedder is loaded when the first one is."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import Self

from services.serving.cache.identity import Question, sha256
from services.serving.cache.marks import marks_of, words_of
from services.serving.cache.nearest import WORDS_BYTES, Likeness
from shared.embedding import Embedder


class Meaning:
    """What questions mean, by an embedder that `load` opens and that ends with this."""

    def __init__(self, load: Callable[[], AbstractAsyncContextManager[Embedder]]) -> None:
        self._load = load
        self._loading = asyncio.Lock()
        self._loaded: Embedder | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loaded = None
        await self._stack.aclose()

    async def likeness(self, question: Question) -> Likeness | None:
        """What a question is compared by; None for one in which the embedder knows no word."""
        embedder = await self._embedder()
        # Capitals and spaces would move a vector; what a capital means stands in the marks.
        plain = " ".join(question.text.casefold().split())
        vectors = await asyncio.to_thread(embedder.embed, [plain])
        if not vectors[0].any():
            return None
        words = words_of(question.text)
        return Likeness(
            group=sha256([embedder.name, question.rest]),
            vector=vectors[0],
            marks=marks_of(question.text),
            words=_digest(sorted(words)),
            order=_digest(words),
        )

    async def _embedder(self) -> Embedder:
        async with self._loading:
            if self._loaded is None:
                self._loaded = await self._stack.enter_async_context(self._load())
            return self._loaded


def _digest(words: Sequence[str]) -> bytes:
    return hashlib.sha256("\n".join(words).encode()).digest()[:WORDS_BYTES]

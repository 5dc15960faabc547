"""Questions as what they can be compared by."""

import asyncio
import hashlib
from collections.abc import Sequence

from services.serving.cache.identity import Question, sha256
from services.serving.cache.marks import marks_of, words_of
from services.serving.cache.nearest import WORDS_BYTES, Likeness
from shared.embedding import Embedder


class Meaning:
    """What questions mean, by an embedder."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    async def likeness(self, question: Question) -> Likeness | None:
        """What a question is compared by; None for one in which the embedder knows no word."""
        # Capitals and spaces would move a vector; what a capital means stands in the marks.
        plain = " ".join(question.text.casefold().split())
        vectors = await asyncio.to_thread(self._embedder.embed, [plain])
        if not vectors[0].any():
            return None
        words = words_of(question.text)
        return Likeness(
            group=sha256([self._embedder.name, question.rest]),
            vector=vectors[0],
            marks=marks_of(question.text),
            words=_digest(sorted(words)),
            order=_digest(words),
        )


def _digest(words: Sequence[str]) -> bytes:
    return hashlib.sha256("\n".join(words).encode()).digest()[:WORDS_BYTES]

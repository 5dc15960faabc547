"""Texts as vectors that lie near each other when they mean alike: drift watches them, the cache compares them."""

import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

# The model holds 1 KB for each token, and as much for each token of the longest text of its batch.
CHARACTERS = 8_000
TEXTS_AT_ONCE = 16


class Embedder(Protocol):
    """Texts as points, near each other when they mean alike."""

    @property
    def name(self) -> str:
        """What facts call it: two embedders of one name give the same vectors."""
        ...

    @property
    def dimensions(self) -> int:
        """The length of every vector."""
        ...

    def embed(self, texts: Sequence[str]) -> Floats:
        """One unit vector per text, (n, dimensions); zeros for a text without any known token.

        It takes CPU time: call it on a worker thread.
        """
        ...


class WordLlamaEmbedder:
    """Averaged static token vectors of WordLlama: about 20,000 short texts a second on one core.

    Of a text the first `CHARACTERS` count: a prompt of megabytes is no reason to run out of memory. The weights lie in
    the package; nothing is looked for on the network. It is a context manager, as loading reads 16 MB.
    """

    name = "wordllama-256"
    dimensions = 256

    async def __aenter__(self) -> Self:
        self.load()
        return self

    def load(self) -> None:
        """Read the weights."""
        # The package configures logging when it is imported, so it is imported only when it is used.
        from wordllama import WordLlama  # noqa: PLC0415

        self._model = WordLlama.load(
            trunc_dim=self.dimensions, cache_dir=_package_folder(), disable_download=True
        )

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        del self._model

    def embed(self, texts: Sequence[str]) -> Floats:
        if not texts:
            return np.empty((0, self.dimensions), np.float32)
        heads = [text[:CHARACTERS] for text in texts]
        made = self._model.embed(heads, norm=False, batch_size=TEXTS_AT_ONCE)
        vectors = np.asarray(made, np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, np.float32(1e-9)))


class OnFirstUse:
    """An embedder that is loaded when it is first used, on whichever thread that is; satisfies `Embedder`."""

    def __init__(self, embedder: WordLlamaEmbedder) -> None:
        self._embedder = embedder
        self._loading = threading.Lock()
        self._loaded = False

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def dimensions(self) -> int:
        return self._embedder.dimensions

    def embed(self, texts: Sequence[str]) -> Floats:
        with self._loading:
            if not self._loaded:
                self._embedder.load()
                self._loaded = True
        return self._embedder.embed(texts)


def _package_folder() -> Path:
    spec = find_spec("wordllama")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])

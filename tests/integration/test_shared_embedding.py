"""What the embedder makes of texts that nobody expects."""

import numpy as np

from shared.embedding import CHARACTERS, WordLlamaEmbedder

SHORT, LONG = "The thermostat shows E4 again.", "a word and a token " * 200_000


async def test_of_a_long_text_the_first_characters_count_and_its_neighbours_are_as_alone() -> None:
    async with WordLlamaEmbedder() as embedder:
        together = embedder.embed([SHORT, LONG, SHORT])
        alone = embedder.embed([SHORT])
        head = embedder.embed([LONG[:CHARACTERS]])

    np.testing.assert_allclose(together[1], head[0], atol=1e-6)
    np.testing.assert_allclose(together[[0, 2]], np.vstack([alone, alone]), atol=1e-6)

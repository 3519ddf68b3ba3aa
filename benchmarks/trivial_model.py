"""The trivial embedding model as ragadmin asks for one: `trivial:hash`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.peers.trivial import DIMENSION, embed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

MODEL = "trivial:hash"
# Of English words; a count that is exact would cost more than the embedding.
CHARACTERS_A_TOKEN = 4


class TrivialEmbedder:
    dimension = DIMENSION
    max_tokens = 256

    def __init__(self, name: str) -> None:
        self.model = f"trivial:{name}"

    def count_tokens(self, text: str) -> int:
        return len(text) // CHARACTERS_A_TOKEN

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return embed(texts)

    async def embed_questions(self, texts: Sequence[str]) -> np.ndarray:
        return embed(texts)

    async def close(self) -> None:
        pass

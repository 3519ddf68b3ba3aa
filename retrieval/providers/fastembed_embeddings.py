"""Embedding models by fastembed, from its cache: a model is never downloaded while someone waits."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from django.conf import settings

from ragadmin.errors import ConfigurationError, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fastembed import TextEmbedding
    from tokenizers import Tokenizer

BATCH_TEXTS = 8
USUAL_MAX_TOKENS = 512


class FastembedEmbedder:
    def __init__(self, name: str) -> None:
        from fastembed import TextEmbedding

        try:
            self.dimension = TextEmbedding.get_embedding_size(name)
        except ValueError:
            raise InvalidRequest(
                f"fastembed has no embedding model {name!r}: its documentation lists those it has.",
                extra={"field": "embedding_model"},
            ) from None
        self.model = f"fastembed:{name}"
        self._name = name
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="fastembed")

    @cached_property
    def _embedding(self) -> TextEmbedding:
        from fastembed import TextEmbedding

        folder = cache_folder()
        try:
            return TextEmbedding(self._name, cache_dir=str(folder), local_files_only=True)
        except Exception as error:
            raise ConfigurationError(
                f"The embedding model {self._name!r} is not in {folder}. Where there is a network, "
                f'fetch it with: python -c "from fastembed import TextEmbedding; '
                f"TextEmbedding('{self._name}', cache_dir='{folder}')\""
            ) from error

    @property
    def max_tokens(self) -> int:
        truncation = self._own_tokenizer.truncation
        return int(truncation["max_length"]) if truncation else USUAL_MAX_TOKENS

    @property
    def _own_tokenizer(self) -> Tokenizer:
        return self._embedding.model.tokenizer  # type: ignore[attr-defined]

    @cached_property
    def _counting_tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_str(self._own_tokenizer.to_str())
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    def count_tokens(self, text: str) -> int:
        return len(self._counting_tokenizer.encode(text).ids)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return self._unit_rows(self._embedding.passage_embed(texts, batch_size=BATCH_TEXTS))

    async def embed_questions(self, texts: Sequence[str]) -> np.ndarray:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._embed_questions, texts)

    async def close(self) -> None:
        """No connections: nothing to end."""

    def _embed_questions(self, texts: Sequence[str]) -> np.ndarray:
        return self._unit_rows(self._embedding.query_embed(texts))

    def _unit_rows(self, rows: Iterable[np.ndarray]) -> np.ndarray:
        vectors = np.array(list(rows), np.float32).reshape(-1, self.dimension)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def cache_folder() -> Path:
    """fastembed's own variable, or the data folder: its default is the system's temporary one."""
    given = os.environ.get("FASTEMBED_CACHE_PATH")
    return Path(given) if given else settings.DATA_DIR / "models" / "fastembed"

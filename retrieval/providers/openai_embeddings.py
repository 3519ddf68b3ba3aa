"""Any OpenAI-compatible /v1/embeddings."""

from __future__ import annotations

import math
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import openai

from ragadmin.errors import ConfigurationError
from retrieval.providers.http_client import new_http_client
from retrieval.providers.openai_errors import Endpoint, told_plainly
from retrieval.providers.per_loop import PerLoop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openai.types import CreateEmbeddingResponse

    from retrieval.providers.base import Counted

TEXTS_PER_REQUEST = 128
CONNECT_SECONDS = 5
# Somebody waits: the words alone are searched for where the endpoint is away.
QUESTION_CONNECT_SECONDS = 2
QUESTION_SECONDS = 15
QUESTION_RETRIES = 1
KNOWN_DIMENSIONS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
OPENAI_MAX_TOKENS = 8191
# Other endpoints do not say how much they read: the window that nearly all models have.
USUAL_MAX_TOKENS = 512
BYTES_PER_TOKEN = 4


class OpenAIEmbedder:
    def __init__(
        self,
        name: str,
        *,
        base_url: str,
        api_key: str,
        max_retries: int = 2,
        answer_seconds: float = 60,
    ) -> None:
        if not (base_url or api_key):
            raise ConfigurationError(
                f"The embedding model openai:{name} has no endpoint: set OPENAI_API_KEY, "
                "OPENAI_BASE_URL, or both."
            )
        self.model = f"openai:{name}"
        self.max_tokens = OPENAI_MAX_TOKENS if name in KNOWN_DIMENSIONS else USUAL_MAX_TOKENS
        self._name = name
        self._dimension = KNOWN_DIMENSIONS.get(name)
        self._asking = Lock()
        self._options: dict[str, Any] = {
            "base_url": base_url or None,
            "api_key": api_key or "none",
            "max_retries": max_retries,
            "timeout": openai.Timeout(answer_seconds, connect=CONNECT_SECONDS),
        }
        self._question_options = self._options | {
            "max_retries": min(max_retries, QUESTION_RETRIES),
            "timeout": openai.Timeout(
                min(QUESTION_SECONDS, answer_seconds), connect=QUESTION_CONNECT_SECONDS
            ),
        }
        self._client = openai.OpenAI(**self._options)
        self._async_clients = PerLoop(self._make_async_client)

    @property
    def dimension(self) -> int:
        """Asked of the endpoint once, if nothing was embedded before and the name is not known."""
        with self._asking:
            if self._dimension is None:
                self._dimension = self._request(["dimension"])[0].shape[1]
            return self._dimension

    def count_tokens(self, text: str) -> int:
        """Approximate: the endpoint's tokenizer is not known here. English has about 4 bytes a token."""
        return math.ceil(len(text.encode()) / BYTES_PER_TOKEN)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return self.embed_counted(texts)[0]

    def embed_counted(self, texts: Sequence[str]) -> Counted:
        none = np.empty((0, self.dimension), np.float32)
        groups = [
            self._request(texts[start : start + TEXTS_PER_REQUEST])
            for start in range(0, len(texts), TEXTS_PER_REQUEST)
        ]
        return _together([(none, 0), *groups])

    async def embed_questions(self, texts: Sequence[str]) -> np.ndarray:
        return (await self.embed_questions_counted(texts))[0]

    async def embed_questions_counted(self, texts: Sequence[str]) -> Counted:
        groups = [
            await self._request_async(texts[start : start + TEXTS_PER_REQUEST])
            for start in range(0, len(texts), TEXTS_PER_REQUEST)
        ]
        return _together(groups or [(np.empty((0, self._dimension or 0), np.float32), 0)])

    async def close(self) -> None:
        """Ends the running loop's connections."""
        if client := self._async_clients.forget():
            await client.close()

    def _make_async_client(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(**self._question_options, http_client=new_http_client())

    def _request(self, texts: Sequence[str]) -> Counted:
        with told_plainly(_described(self.model)):
            response = self._client.embeddings.create(model=self._name, input=_sendable(texts))
            return self._vectors(response, len(texts)), _tokens(response)

    async def _request_async(self, texts: Sequence[str]) -> Counted:
        client = self._async_clients.get()
        with told_plainly(_described(self.model)):
            response = await client.embeddings.create(model=self._name, input=_sendable(texts))
            return self._vectors(response, len(texts)), _tokens(response)

    def _vectors(self, response: CreateEmbeddingResponse, count: int) -> np.ndarray:
        """Unit vectors in the order of the texts. Raises ValueError and its like for garbage."""
        rows = sorted(response.data, key=lambda item: item.index)
        vectors = np.array([row.embedding for row in rows], np.float32)
        if vectors.ndim != 2 or len(vectors) != count:
            raise ValueError(f"{len(rows)} vectors for {count} texts")
        if self._dimension and vectors.shape[1] != self._dimension:
            raise ValueError(f"{vectors.shape[1]} dimensions instead of {self._dimension}")
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (np.isfinite(lengths).all() and lengths.all()):
            raise ValueError("a vector without direction")
        return vectors / lengths


def _tokens(response: CreateEmbeddingResponse) -> int | None:
    """Some endpoints leave them out, whatever the client's types say."""
    usage: Any = response.usage
    return getattr(usage, "prompt_tokens", None)


def _together(groups: Sequence[Counted]) -> Counted:
    counted = [tokens for _, tokens in groups if tokens is not None]
    whole = sum(counted) if len(counted) == len(groups) else None
    return np.concatenate([vectors for vectors, _ in groups]), whole


def _sendable(texts: Sequence[str]) -> list[str]:
    """The endpoint refuses an empty text."""
    return [text if text.strip() else "." for text in texts]


def _described(model: str) -> Endpoint:
    return Endpoint(
        subject=f"The endpoint of the embedding model {model}",
        address="OPENAI_BASE_URL",
        credential="OPENAI_API_KEY",
        expected="its vectors",
    )

"""What the outside model services look like to the rest of the product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    import numpy as np

    from retrieval.types import Message, Usage

    Counted = tuple[np.ndarray, int | None]


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a streamed answer. The last one carries the usage that the endpoint reported."""

    text: str = ""
    usage: Usage | None = None
    finish_reason: str | None = None


class Embedder(Protocol):
    """Turns texts into unit vectors, float32 of shape (len(texts), dimension)."""

    @property
    def model(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    @property
    def max_tokens(self) -> int: ...

    def count_tokens(self, text: str) -> int: ...

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Blocking: for workers. Raises ProviderError."""
        ...

    async def embed_questions(self, texts: Sequence[str]) -> np.ndarray:
        """For the hot path: never blocks the event loop. Raises ProviderError."""
        ...

    async def close(self) -> None:
        """Ends the connections that the running event loop owns, if there are any."""
        ...


@runtime_checkable
class CountingEmbedder(Protocol):
    """One whose endpoint says what it charges for: vectors, and tokens or None where it did not say."""

    def embed_counted(self, texts: Sequence[str]) -> Counted: ...

    async def embed_questions_counted(self, texts: Sequence[str]) -> Counted: ...


class Reranker(Protocol):
    """Says how well each text answers a question. `provider` and `name` are for the trace."""

    @property
    def provider(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def is_free(self) -> bool: ...

    async def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """In the order of the texts, more is better. Raises ProviderError, ConfigurationError."""
        ...

    async def close(self) -> None:
        """Ends the connections that the running event loop owns, if there are any."""
        ...


class ChatModel(Protocol):
    def stream(
        self,
        *,
        model: str,
        messages: Sequence[Message],
        max_tokens: int,
        temperature: float | None = None,
        stop: Sequence[str] = (),
        first_token_seconds: float = 20.0,
    ) -> AsyncGenerator[Delta, None]:
        """Raises ProviderError; closing the iterator ends the request at the endpoint."""
        ...

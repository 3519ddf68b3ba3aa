"""The values that pass between stages. Frozen, so that a stage can be read and tested alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

SearchMode = Literal["hybrid", "vector", "keyword"]


@dataclass(frozen=True, slots=True)
class ExtractedText:
    """What a file says, as Markdown."""

    markdown: str
    title: str
    media_type: str
    page_count: int | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document's Markdown: `markdown[start_char:end_char]`, in order."""

    ordinal: int
    text: str
    heading_path: str
    start_char: int
    end_char: int
    token_count: int

    @property
    def embedded_text(self) -> str:
        """What is embedded and searched: the headings give a passage its context."""
        return f"{self.heading_path}\n{self.text}" if self.heading_path else self.text


@dataclass(frozen=True, slots=True)
class Hit:
    chunk_id: int
    document_id: str
    path: str
    heading_path: str
    text: str
    score: float
    similarity: float
    access_level: str
    rank: int
    ordinal: int = 0
    content_hash: str = ""
    # Which side of the search found it, and where it stood there, counted from 1.
    vector_place: int | None = None
    keyword_place: int | None = None
    # By the reranker, where there is one: its own scale.
    rerank_score: float | None = None
    # What the model reads instead of `text`: with its neighbours, or without what is beside the point.
    shown: str = ""
    # Characters that compression took away from it.
    left_out: int = 0
    # Unit length. Fetched only when it is asked for.
    embedding: np.ndarray | None = field(default=None, compare=False, repr=False)

    def as_json(self) -> dict[str, Any]:
        """The contract's keys of POST /api/v1/search/."""
        return {
            "chunk_id": self.chunk_id,
            "document_id": self.document_id,
            "path": self.path,
            "text": self.text,
            "score": round(self.score, 6),
            "similarity": round(self.similarity, 4),
            "access_level": self.access_level,
            "rank": self.rank,
        }


@dataclass(frozen=True, slots=True)
class Citation:
    n: int
    document_id: str
    chunk_id: int
    path: str
    quote: str

    def as_json(self) -> dict[str, Any]:
        return {
            "n": self.n,
            "document_id": self.document_id,
            "chunk_id": self.chunk_id,
            "path": self.path,
            "quote": self.quote,
        }


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Usage:
    """As the endpoint counted; `estimated` where it did not, from four characters a token."""

    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "estimated": self.estimated,
        }


@dataclass(frozen=True, slots=True)
class RouteDecision:
    """Which model answers, and why. `model` is `extractive` when none is configured or left."""

    tier: str
    model: str
    reason: str
    # What classify_complexity looked at.
    features: dict[str, Any] = field(default_factory=dict[str, Any])
    # Models that were asked before this one, each with the code of its error.
    tried: tuple[tuple[str, str], ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "tier": self.tier,
            "model": self.model,
            "reason": self.reason,
            "features": self.features,
            "tried": [{"model": model, "error": error} for model, error in self.tried],
        }


CallKind = Literal["generation", "multi_query", "rewrite", "embedding", "rerank", "search"]


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars a million tokens (`unit` tokens) or a thousand calls. `source`: published, tenant,
    installation or free. `as_of`: the day it was set, or the release of the published list and the day
    since when it is in force here."""

    input_usd: Decimal
    output_usd: Decimal
    source: str
    unit: str = "tokens"
    as_of: str = ""

    def as_json(self) -> dict[str, str]:
        return {
            "input_usd": str(self.input_usd),
            "output_usd": str(self.output_usd),
            "unit": self.unit,
            "source": self.source,
            "as_of": self.as_of,
        }


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One call of a model service, priced. `cost_usd` None: nobody knows the price."""

    kind: CallKind
    provider: str
    model: str
    usage: Usage
    cost_usd: Decimal | None
    price: Price | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "provider": self.provider,
            "model": self.model,
            **self.usage.as_json(),
            "cost_usd": None if self.cost_usd is None else str(self.cost_usd),
            "price": self.price and self.price.as_json(),
        }


@dataclass(slots=True)
class Span:
    """One stage of a query. `kind`: cache, embed, search, rerank, compress, route, generate, record."""

    kind: str
    start_ms: float
    duration_ms: float = 0.0
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "start_ms": round(self.start_ms, 2),
            "duration_ms": round(self.duration_ms, 2),
            **self.attributes,
        }


COST_COMPONENTS = ("embedding", "search", "rerank", "multi_query", "generation")


@dataclass(frozen=True, slots=True)
class Cost:
    """US dollars by component. None: the price is unknown, which is not the same as free."""

    embedding: Decimal | None = Decimal(0)
    search: Decimal | None = Decimal(0)
    rerank: Decimal | None = Decimal(0)
    multi_query: Decimal | None = Decimal(0)
    generation: Decimal | None = Decimal(0)

    @property
    def total(self) -> Decimal | None:
        parts = [getattr(self, name) for name in COST_COMPONENTS]
        return None if None in parts else sum(parts, Decimal(0))

    def as_json(self) -> dict[str, float | None]:
        parts = {name: getattr(self, name) for name in COST_COMPONENTS} | {"total": self.total}
        return {name: None if part is None else float(part) for name, part in parts.items()}

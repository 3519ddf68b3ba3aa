"""Sums of usage rows and the figures that follow from them: one definition for charts, alerts, reports
and exports."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from monitoring.histograms import Histogram

if TYPE_CHECKING:
    from collections.abc import Iterable

# Of every usage row; each is added up as it is.
COUNTS = (
    "questions", "errors", "cancelled", "abstained", "degraded", "simulated", "unpriced", "passages",
    "input_tokens", "output_tokens", "saved_tokens", "up", "down", "samples", "false_hits",
    "similarity_count",
)  # fmt: skip
AMOUNTS = (
    "cost_usd", "saved_cache_usd", "saved_routing_usd", "saved_compression_usd", "similarity_sum",
)  # fmt: skip
HISTOGRAMS = ("latency", "first_token", "similarity")
CACHE_LAYERS = ("exact", "semantic", "llm")


@dataclass(slots=True)
class Sums:
    """Rates are shares of 1, None where there is nothing to divide by."""

    questions: int = 0
    errors: int = 0
    cancelled: int = 0
    abstained: int = 0
    degraded: int = 0
    simulated: int = 0
    unpriced: int = 0
    passages: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    saved_tokens: int = 0
    up: int = 0
    down: int = 0
    samples: int = 0
    false_hits: int = 0
    similarity_count: int = 0
    cost_usd: Decimal = Decimal(0)
    saved_cache_usd: Decimal = Decimal(0)
    saved_routing_usd: Decimal = Decimal(0)
    saved_compression_usd: Decimal = Decimal(0)
    similarity_sum: Decimal = Decimal(0)
    # Questions by layer of the cache, "none" among them.
    caches: dict[str, int] = field(default_factory=dict[str, int])
    latency: Histogram = field(default_factory=Histogram)
    first_token: Histogram = field(default_factory=Histogram)
    similarity: Histogram = field(default_factory=Histogram)

    @property
    def hits(self) -> int:
        return sum(self.caches.get(layer, 0) for layer in CACHE_LAYERS)

    @property
    def cache_hit_rate(self) -> float | None:
        return share(self.hits, self.questions)

    @property
    def error_rate(self) -> float | None:
        return share(self.errors, self.questions)

    @property
    def abstention_rate(self) -> float | None:
        return share(self.abstained, self.questions)

    @property
    def thumbs_down_rate(self) -> float | None:
        """Of the answers that were rated."""
        return share(self.down, self.up + self.down)

    @property
    def false_hit_rate(self) -> float | None:
        return share(self.false_hits, self.samples)

    @property
    def avg_similarity(self) -> float | None:
        if not self.similarity_count:
            return None
        return float(self.similarity_sum / self.similarity_count)

    @property
    def saved_usd(self) -> Decimal:
        return self.saved_cache_usd + self.saved_routing_usd + self.saved_compression_usd

    @property
    def known_cost_usd(self) -> Decimal | None:
        """None where nothing is known of it."""
        return as_known(self.cost_usd, self.unpriced)

    @property
    def cost_per_1000(self) -> Decimal | None:
        """US dollars; None where some price is unknown, because the rest would be too little."""
        if not self.questions or self.unpriced:
            return None
        return self.cost_usd * 1000 / self.questions


def as_known(cost_usd: Decimal, unpriced: int) -> Decimal | None:
    """None where no price is known of anything that was paid: zero would say that it was free."""
    return None if unpriced and not cost_usd else cost_usd


def share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def add_up(rows: Iterable[Any]) -> Sums:
    """Of usage rows: models, or anything with the same attributes."""
    rows = list(rows)
    sums = Sums()
    for row in rows:
        for name in (*COUNTS, *AMOUNTS):
            setattr(sums, name, getattr(sums, name) + getattr(row, name))
        sums.caches[row.cache] = sums.caches.get(row.cache, 0) + row.questions
    for name in HISTOGRAMS:
        setattr(sums, name, Histogram.merged(bytes(getattr(row, name)) for row in rows))
    return sums

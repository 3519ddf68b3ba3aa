"""What came of the questions."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retrieval.simulation.questions import Planned


@dataclass(slots=True)
class Tally:
    """`refused` and `errors` are by code; `durations` in ms."""

    asked: int = 0
    kinds: Counter[str] = field(default_factory=Counter[str])
    caches: Counter[str] = field(default_factory=Counter[str])
    models: Counter[str] = field(default_factory=Counter[str])
    ratings: Counter[str] = field(default_factory=Counter[str])
    refused: Counter[str] = field(default_factory=Counter[str])
    errors: Counter[str] = field(default_factory=Counter[str])
    abstained: int = 0
    cited: int = 0
    cost_usd: Decimal = Decimal(0)
    # Answers of which some part has no known price.
    unpriced: int = 0
    durations: list[float] = field(default_factory=list[float])
    # Tenants that were left out, and why.
    skipped: dict[str, str] = field(default_factory=dict[str, str])
    is_interrupted: bool = False

    @property
    def answered(self) -> int:
        return sum(self.caches.values())

    def note_asked(self, planned: Planned) -> None:
        self.asked += 1
        self.kinds[planned.kind] += 1

    def note_answer(self, answer: dict[str, Any]) -> None:
        self.caches[answer["cache"]] += 1
        self.models[answer["model"]] += 1
        self.abstained += answer["abstained"]
        self.cited += bool(answer["citations"])
        self.durations.append(answer["duration_ms"])
        cost = answer["cost_usd"]["total"]
        if cost is None:
            self.unpriced += 1
        else:
            self.cost_usd += Decimal(str(cost))

    def duration(self, share: float) -> float | None:
        """The nearest rank, in ms."""
        if not self.durations:
            return None
        return sorted(self.durations)[max(0, math.ceil(share * len(self.durations)) - 1)]

    def as_json(self) -> dict[str, Any]:
        return {
            "asked": self.asked,
            "answered": self.answered,
            "kinds": dict(self.kinds),
            "cache": {layer: self.caches[layer] for layer in ("none", "exact", "semantic", "llm")},
            "models": dict(self.models),
            "abstained": self.abstained,
            "cited": self.cited,
            "rated": {rating: self.ratings[rating] for rating in ("up", "down")},
            "refused": dict(self.refused),
            "errors": dict(self.errors),
            "p50_ms": self.duration(0.5),
            "p95_ms": self.duration(0.95),
            "cost_usd": str(self.cost_usd),
            "unpriced": self.unpriced,
            "skipped": self.skipped,
            "interrupted": self.is_interrupted,
        }

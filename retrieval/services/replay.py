"""What another routing would have cost: stored traces sent through other limits or other models.

The features that a question was classified by and the tokens that its answer took are on its trace.
Another model would have written another answer; its tokens are taken to be as many.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from ragadmin.errors import InvalidRequest
from retrieval.models import QueryTrace
from retrieval.query.pricing import price_call
from retrieval.query.routing import BY_NAME, COMPLEX, MODERATE, SIMPLE, choices_for, tier_of
from retrieval.types import Usage
from tenants.context import tenant_context
from tenants.query_settings import change_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenants.config import TenantConfig
    from tenants.query_settings import QuerySettings

TIERS = (SIMPLE, MODERATE, COMPLEX)


@dataclass(frozen=True, slots=True)
class Answered:
    """A question that a model answered. `cost_usd` None: its price was not known."""

    words: int
    passages: int
    tier: str
    model: str
    usage: Usage
    cost_usd: Decimal | None
    is_named: bool = False


@dataclass(frozen=True, slots=True)
class Routing:
    """The limits, and the model of each tier."""

    settings: QuerySettings
    models: dict[str, str]


@dataclass(slots=True)
class Side:
    """What one routing came to. `usd` is by model and leaves out calls of unknown price."""

    tiers: Counter[str] = field(default_factory=Counter[str])
    models: Counter[str] = field(default_factory=Counter[str])
    usd: dict[str, Decimal] = field(default_factory=lambda: defaultdict[str, Decimal](Decimal))
    unpriced: Counter[str] = field(default_factory=Counter[str])

    def add(self, tier: str, model: str, cost: Decimal | None) -> None:
        self.tiers[tier] += 1
        self.models[model] += 1
        if cost is None:
            self.unpriced[model] += 1
        else:
            self.usd[model] += cost

    @property
    def total_usd(self) -> Decimal:
        return sum(self.usd.values(), Decimal(0))

    def as_json(self) -> dict[str, Any]:
        return {
            "tiers": {tier: self.tiers[tier] for tier in TIERS},
            "models": dict(self.models),
            "usd": {model: str(amount) for model, amount in self.usd.items()},
            "total_usd": str(self.total_usd),
            "unpriced": dict(self.unpriced),
        }


@dataclass(slots=True)
class Replay:
    """`difference_usd` is after less before, over the questions that have a price on both sides."""

    before: Side = field(default_factory=Side)
    after: Side = field(default_factory=Side)
    questions: int = 0
    # Their model was named by the caller, so that no routing changes them.
    named: int = 0
    compared: int = 0
    difference_usd: Decimal = Decimal(0)

    def as_json(self) -> dict[str, Any]:
        return {
            "questions": self.questions,
            "named": self.named,
            "compared": self.compared,
            "difference_usd": str(self.difference_usd),
            "before": self.before.as_json(),
            "after": self.after.as_json(),
        }


def replay_routing(
    tenant: TenantConfig, *, days: int, small: str = "", large: str = "", **limits: Any
) -> Replay:
    """Of the last `days` days. `limits` are settings of classify_complexity. Raises InvalidRequest."""
    routing = routing_of(tenant, small=small, large=large, **limits)
    with tenant_context(tenant):
        return replay(tenant, read_answered(days), routing)


def routing_of(tenant: TenantConfig, *, small: str = "", large: str = "", **limits: Any) -> Routing:
    """The tenant's own, with what is given in its place. Raises InvalidRequest."""
    changes = {name: value for name, value in limits.items() if value is not None}
    named = {SIMPLE: small, MODERATE: small, COMPLEX: large}
    models = {tier: named[tier] or _first_model(tenant, tier) for tier in TIERS}
    if missing := [tier for tier, model in models.items() if not model]:
        raise InvalidRequest(
            f"The tenant {tenant.slug} has no model for {', '.join(missing)} questions: name one "
            "with --small and --large."
        )
    return Routing(change_settings(tenant.query, changes), models)


def replay(tenant: TenantConfig, answered: Iterable[Answered], routing: Routing) -> Replay:
    result = Replay()
    for one in answered:
        tier = tier_of(one.words, one.passages, routing.settings)
        model = one.model if one.is_named else routing.models[tier]
        cost = one.cost_usd
        if model != one.model:
            cost = price_call(tenant, "generation", "", model, one.usage).cost_usd
        result.questions += 1
        result.named += one.is_named
        result.before.add(one.tier, one.model, one.cost_usd)
        result.after.add(tier, model, cost)
        if cost is not None and one.cost_usd is not None:
            result.compared += 1
            result.difference_usd += cost - one.cost_usd
    return result


def read_answered(days: int) -> Iterator[Answered]:
    """Of the tenant in force: the questions for which a model was paid."""
    since = timezone.now() - timedelta(days=days)
    rows = QueryTrace.objects.filter(created_at__gte=since, tier__in=TIERS)
    for tier, route, calls in rows.values_list("tier", "route", "calls").iterator(2_000):
        call = next((one for one in calls if one["kind"] == "generation"), None)
        features = route.get("features") or {}
        if call is None or "words" not in features:
            continue
        paid = call["cost_usd"]
        yield Answered(
            words=features["words"],
            passages=features["passages"],
            tier=tier,
            model=call["model"],
            usage=Usage(call["input_tokens"], call["output_tokens"]),
            cost_usd=None if paid is None else Decimal(paid),
            is_named=str(route.get("reason", "")).startswith(BY_NAME),
        )


def _first_model(tenant: TenantConfig, tier: str) -> str:
    return next((choice.model for choice in choices_for(tenant, tier)), "")

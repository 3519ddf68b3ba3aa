"""A tenant as the hot path and the workers see it: one frozen value, found without the ORM.

Looked up by key hash, session or slug with plain SQL on the async pool (tenants.resolve), and kept
until the configuration changes (tenants.revision).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tenants.query_settings import DEFAULTS, QuerySettings, change_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal


@dataclass(frozen=True, slots=True)
class ModelEndpoint:
    """An OpenAI-compatible endpoint. `base_url` may be empty: the client's own default then."""

    name: str
    base_url: str
    api_key: str
    small_model: str
    large_model: str


@dataclass(frozen=True, slots=True)
class Route:
    """A model for a tier. No endpoint of its own: the tenant's."""

    tier: str
    model: str
    endpoint: ModelEndpoint | None = None


@dataclass(frozen=True, slots=True)
class PriceOverride:
    """US dollars a million tokens (`unit` tokens) or a thousand calls (`unit` calls)."""

    model: str
    unit: str
    input_usd: Decimal
    output_usd: Decimal
    # Whose price it is: tenant or installation.
    source: str = "tenant"
    # The day it was set, as 2026-01-31.
    as_of: str = ""


@dataclass(frozen=True, slots=True)
class BudgetLimit:
    """`api_key_id` None: of the whole tenant. `period`: day or month."""

    id: int
    api_key_id: str | None
    period: str
    amount_usd: Decimal


@dataclass(frozen=True, slots=True)
class TenantConfig:
    id: int
    slug: str
    name: str
    schema_name: str
    status: str
    access_levels: tuple[str, ...]
    embedding_model: str
    embedding_dimension: int
    chunk_tokens: int
    top_k: int
    min_similarity: float
    corpus_revision: int
    hnsw_ef: int = 0
    generation: int = 1
    endpoint: ModelEndpoint | None = None
    query: QuerySettings = DEFAULTS
    raised_threshold: float | None = None
    timezone: str = "UTC"
    questions_per_minute: int | None = None
    # In the order in which they are tried.
    routes: tuple[Route, ...] = ()
    # The tenant's own, and the installation's for other models.
    prices: tuple[PriceOverride, ...] = ()
    budgets: tuple[BudgetLimit, ...] = ()

    @property
    def similarity_threshold(self) -> float:
        return max(self.query.similarity_threshold, self.raised_threshold or 0.0)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a person's session or an API key, already allowed into `tenant`."""

    tenant: TenantConfig
    access_levels: tuple[str, ...]
    scopes: frozenset[str]
    label: str
    user_id: int | None = None
    api_key_id: str | None = None
    questions_per_minute: int | None = None
    # May try other settings than those saved: an admin's session, or a key with the scope admin.
    may_tune: bool = False
    # Made up by simulate_traffic: measured like all others, and marked.
    is_simulated: bool = False

    @property
    def budgets(self) -> tuple[BudgetLimit, ...]:
        """Those that what is asked now counts for."""
        own = {None, self.api_key_id}
        return tuple(limit for limit in self.tenant.budgets if limit.api_key_id in own)


TUNED_COLUMNS = ("top_k", "min_similarity")


def tune(caller: Caller, changes: Mapping[str, Any]) -> Caller:
    """The same caller with other settings in force, for one question. Raises InvalidRequest."""
    query = {name: value for name, value in changes.items() if name not in TUNED_COLUMNS}
    columns = {name: changes[name] for name in TUNED_COLUMNS if name in changes}
    tenant = replace(caller.tenant, query=change_settings(caller.tenant.query, query), **columns)
    return replace(caller, tenant=tenant)

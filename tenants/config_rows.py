"""One statement that reads all of a tenant's configuration, for the async pool and the ORM alike."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.conf import settings

from tenants.config import BudgetLimit, ModelEndpoint, PriceOverride, Route, TenantConfig
from tenants.query_settings import read_settings
from tenants.secrets import decrypt

SCALARS = (
    "id", "slug", "name", "schema_name", "status", "embedding_model", "embedding_dimension",
    "chunk_tokens", "top_k", "min_similarity", "corpus_revision", "hnsw_ef", "generation",
    "raised_threshold", "timezone", "questions_per_minute",
)  # fmt: skip
# Lists as JSON, so that a look-up stays one row and one round trip.
CONFIG_COLUMNS = f"""
    {", ".join(f"t.{name}" for name in SCALARS)}, t.access_levels AS tenant_levels, t.query_settings,
    to_jsonb(p) AS endpoint,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('tier', r.tier, 'model', r.model,
            'endpoint', to_jsonb(rp)) ORDER BY r.tier, r.position), '[]')
        FROM public.tenants_modelroute r LEFT JOIN public.tenants_provider rp ON rp.id = r.provider_id
        WHERE r.tenant_id = t.id) AS routes,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('model', m.model, 'unit', m.unit,
            'source', CASE WHEN m.tenant_id IS NULL THEN 'installation' ELSE 'tenant' END,
            'input_usd', m.input_usd::text, 'output_usd', m.output_usd::text,
            'as_of', (m.updated_at AT TIME ZONE 'UTC')::date)
            ORDER BY m.tenant_id NULLS LAST), '[]')
        FROM public.tenants_modelprice m WHERE m.tenant_id = t.id OR m.tenant_id IS NULL) AS prices,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('id', b.id, 'api_key_id', b.api_key_id,
            'period', b.period, 'amount_usd', b.amount_usd::text) ORDER BY b.id), '[]')
        FROM public.tenants_budget b WHERE b.tenant_id = t.id) AS budgets
"""  # noqa: S608 - names of columns
PROVIDER_JOIN = """
    LEFT JOIN public.tenants_provider p ON p.id = coalesce(
        t.provider_id, (SELECT id FROM public.tenants_provider WHERE is_default))
"""
CONFIG_JSON = frozenset({"query_settings", "endpoint", "routes", "prices", "budgets"})
CONFIG_QUERY = f"""
    SELECT {CONFIG_COLUMNS} FROM public.tenants_tenant t {PROVIDER_JOIN} WHERE t.id = %s
"""  # noqa: S608


def config_of(row: dict[str, Any]) -> TenantConfig:
    """From a row with CONFIG_COLUMNS, whose JSON is decoded."""
    return TenantConfig(
        **{name: row[name] for name in SCALARS},
        access_levels=tuple(row["tenant_levels"]),
        query=read_settings(row["query_settings"]),
        endpoint=_endpoint(row["endpoint"]) or environment_endpoint(),
        routes=tuple(
            Route(route["tier"], route["model"], _endpoint(route["endpoint"]))
            for route in row["routes"]
        ),
        prices=_prices(row["prices"]),
        budgets=tuple(
            BudgetLimit(one["id"], one["api_key_id"], one["period"], Decimal(one["amount_usd"]))
            for one in row["budgets"]
        ),
    )


def environment_endpoint() -> ModelEndpoint | None:
    """The endpoint that OPENAI_API_KEY or OPENAI_BASE_URL names, if either is set."""
    if not (settings.OPENAI_API_KEY or settings.OPENAI_BASE_URL):
        return None
    return ModelEndpoint(
        name="environment",
        base_url=settings.OPENAI_BASE_URL,
        api_key=settings.OPENAI_API_KEY,
        small_model=settings.SMALL_MODEL,
        large_model=settings.LARGE_MODEL,
    )


def _endpoint(provider: dict[str, Any] | None) -> ModelEndpoint | None:
    if provider is None:
        return None
    stored = provider["api_key_encrypted"]
    return ModelEndpoint(
        name=provider["name"],
        base_url=provider["base_url"],
        api_key=decrypt(stored) if stored else "",
        small_model=provider["small_model"],
        large_model=provider["large_model"],
    )


def _prices(rows: list[dict[str, Any]]) -> tuple[PriceOverride, ...]:
    """The tenant's own come first, and hide the installation's for the same model."""
    found: dict[str, PriceOverride] = {}
    for row in rows:
        price = PriceOverride(
            row["model"],
            row["unit"],
            Decimal(row["input_usd"]),
            Decimal(row["output_usd"]),
            row["source"],
            row["as_of"],
        )
        found.setdefault(price.model, price)
    return tuple(found.values())

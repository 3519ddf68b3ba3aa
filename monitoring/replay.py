"""Stored answers priced anew, by the prices that are in force now, and the books with them.

Only what was counted can be priced: a call that had no price at its time and was not recorded (a search,
a local embedding) is not made up afterwards. Budgets stay as they were settled.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import connection

from monitoring.rebuild import Rebuilt, days_of, rebuild_usage
from retrieval.models import QueryTrace
from retrieval.query.cached_answer import PAID_BEFORE_LOOKING
from retrieval.query.pricing import price_call, sum_up
from retrieval.query.routing import largest
from retrieval.types import ModelCall, Usage
from tenants.access import tenant_config
from tenants.context import tenant_context

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from uuid import UUID

    from monitoring.rebuild import Day
    from tenants.config import TenantConfig
    from tenants.models import Tenant

BATCH = 1_000
NOTHING = Decimal(0)
HITS = ("exact", "semantic")
COLUMNS = ("id", "cache", "cache_entry_id", "model", "calls", "shadow", "saved", "saved_tokens", "total_cost_usd")  # fmt: skip
UPDATE = """
UPDATE retrieval_querytrace SET calls = %(calls)s, shadow = %(shadow)s, cost_usd = %(cost_usd)s,
    total_cost_usd = %(total_cost_usd)s, saved = %(saved)s, saved_usd = %(saved_usd)s
WHERE id = %(id)s
"""


@dataclass(slots=True)
class Replay:
    """US dollars: of calls with a known price, on either side; `unknown`: answers with one that has none.
    `kept_savings`: answers of which it is not stored what the cache saved in tokens."""

    answers: int = 0
    changed: int = 0
    before_usd: Decimal = NOTHING
    after_usd: Decimal = NOTHING
    unknown_before: int = 0
    unknown_after: int = 0
    kept_savings: int = 0
    rebuilt: Rebuilt | None = field(default=None, repr=False)


def replay_prices(
    tenant: Tenant, start: date | None = None, end: date | None = None, *, dry_run: bool = False
) -> Replay:
    """Of the answers of these days of the tenant, or all. `dry_run`: says what would come of it."""
    result, config = Replay(), tenant_config(tenant)

    def price_day(day: Day) -> None:
        _price_day(config, day, result, dry_run)

    if not dry_run:
        result.rebuilt = rebuild_usage(tenant, start, end, before_day=price_day)
        return result
    for day in days_of(tenant, start, end):
        with tenant_context(tenant):
            price_day(day)
    return result


def _price_day(config: TenantConfig, day: Day, result: Replay, dry_run: bool) -> None:
    asked = {"created_at__gte": day.start, "created_at__lt": day.end}
    traces = QueryTrace.objects.filter(**asked).exclude(status=QueryTrace.Status.RUNNING)
    ids = list(traces.values_list("id", flat=True))
    for first in range(0, len(ids), BATCH):
        batch = list(traces.filter(id__in=ids[first : first + BATCH]).values(*COLUMNS))
        makers = _makers(batch)
        changes = [_priced(config, trace, makers, result) for trace in batch]
        if not dry_run:
            with connection.cursor() as cursor:
                cursor.executemany(UPDATE, [change for change in changes if change])


def _makers(traces: Sequence[dict[str, Any]]) -> dict[UUID, list[Any]]:
    """By what was kept: the calls that made it. Not where a part came from the model's own cache."""
    kept = {trace["cache_entry_id"] for trace in traces if trace["cache"] in HITS}
    rows = QueryTrace.objects.filter(cache_entry_id__in=kept, cache="none")
    rows = rows.exclude(saved__has_key="cache")
    return dict(rows.values_list("cache_entry_id", "calls"))


def _priced(
    config: TenantConfig, trace: dict[str, Any], makers: dict[UUID, list[Any]], result: Replay
) -> dict[str, Any] | None:
    calls = [_call(config, call) for call in trace["calls"]]
    shadow = trace["shadow"]
    if shadow and shadow.get("calls"):
        again = [_call(config, call) for call in shadow["calls"]]
        shadow = {
            **shadow,
            "calls": [call.as_json() for call in again],
            "cost_usd": str(_known(again)),
        }
    cost = sum_up(calls)
    saved = _saved(config, trace, calls, makers, result)
    change = {
        "id": trace["id"],
        "calls": [call.as_json() for call in calls],
        "shadow": shadow,
        "cost_usd": cost.as_json(),
        "total_cost_usd": cost.total,
        "saved": saved,
        "saved_usd": sum(map(Decimal, saved.values()), NOTHING),
    }
    is_changed = any(change[name] != trace[name] for name in ("calls", "shadow", "saved"))
    _count(result, trace, calls, is_changed)
    if not is_changed:
        return None
    as_text = {name: json.dumps(change[name]) for name in ("calls", "cost_usd", "saved")}
    return {**change, **as_text, "shadow": json.dumps(shadow) if shadow else None}


def _call(config: TenantConfig, stored: dict[str, Any]) -> ModelCall:
    usage = Usage(stored["input_tokens"], stored["output_tokens"], stored.get("estimated", False))
    kind, provider, model = stored["kind"], stored["provider"], stored["model"]
    # Prices name an embedding model as tenants do.
    named = f"{provider}:{model}" if kind == "embedding" else ""
    call = price_call(config, kind, provider, model, usage, named)
    if call.price is None and stored["price"] is None and stored["cost_usd"] is not None:
        # Nobody asks money for it: it runs in the own network.
        return ModelCall(kind, provider, model, usage, Decimal(stored["cost_usd"]))
    return call


def _saved(
    config: TenantConfig,
    trace: dict[str, Any],
    calls: Sequence[ModelCall],
    makers: dict[UUID, list[Any]],
    result: Replay,
) -> dict[str, str]:
    """What follows from prices; the rest stays as it is."""
    saved = {name: Decimal(amount) for name, amount in trace["saved"].items()}
    generation = next((call for call in reversed(calls) if call.kind == "generation"), None)
    if generation and "compression" in saved:
        left_out = Usage(trace["saved_tokens"])
        cost = price_call(config, "generation", "", generation.model, left_out).cost_usd
        saved["compression"] = saved["compression"] if cost is None else cost
    if generation and generation.cost_usd is not None and (top := largest(config)):
        whole = price_call(config, "generation", "", top.model, generation.usage).cost_usd
        if "routing" in saved and whole is not None:
            saved["routing"] = max(whole - generation.cost_usd, NOTHING)
    if "cache" in saved:
        made_by = makers.get(trace["cache_entry_id"]) if trace["cache"] in HITS else None
        if made_by is None:
            result.kept_savings += 1
        else:
            saved["cache"] = _known(_not_paid_again(config, trace["cache"], made_by))
    return {name: str(amount) for name, amount in saved.items()}


def _not_paid_again(config: TenantConfig, cache: str, made_by: list[Any]) -> list[ModelCall]:
    paid = PAID_BEFORE_LOOKING if cache == "semantic" else frozenset[str]()
    return [_call(config, call) for call in made_by if call["kind"] not in paid]


def _known(calls: Sequence[ModelCall]) -> Decimal:
    return sum((call.cost_usd or NOTHING for call in calls), NOTHING)


def _count(
    result: Replay, trace: dict[str, Any], calls: Sequence[ModelCall], is_changed: bool
) -> None:
    known = (Decimal(call["cost_usd"]) for call in trace["calls"] if call["cost_usd"] is not None)
    result.answers += 1
    result.changed += is_changed
    result.before_usd += sum(known, NOTHING)
    result.after_usd += _known(calls)
    result.unknown_before += any(call["cost_usd"] is None for call in trace["calls"])
    result.unknown_after += any(call.cost_usd is None for call in calls)

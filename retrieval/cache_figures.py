"""How many of a tenant's cache hits were wrong, as far as samples tell, and what follows from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.models import QueryTrace
from tenants.audit import record_event
from tenants.context import tenant_context
from tenants.models import Tenant
from tenants.query_settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

NEWEST = 500
FEWEST = 20
STEP, HIGHEST = 0.02, 0.99
DIFFERENT = "different"
# Of 95 %: Wilson, Probable inference, the law of succession, and statistical inference (1927).
Z = 1.96
ACTOR = "measured false hits"


@dataclass(frozen=True, slots=True)
class FalseHits:
    """`rate` and its 95 % interval from `low` to `high` are shares of 1; None without a sample."""

    samples: int
    wrong: int
    rate: float | None
    low: float
    high: float
    threshold: float
    raised_threshold: float | None


Sample = tuple[float | None, str]


def false_hits(tenant: Tenant) -> FalseHits:
    """Of the newest samples."""
    samples = _newest(tenant)
    wrong = _wrong(samples)
    low, high = wilson_interval(wrong, len(samples))
    return FalseHits(
        samples=len(samples),
        wrong=wrong,
        rate=wrong / len(samples) if samples else None,
        low=low,
        high=high,
        threshold=threshold_of(tenant),
        raised_threshold=tenant.raised_threshold,
    )


def wilson_interval(wrong: int, samples: int) -> tuple[float, float]:
    """The 95 % interval of a share, which is honest about few samples."""
    if not samples:
        return 0.0, 1.0
    share, z2 = wrong / samples, Z * Z
    middle = (share + z2 / (2 * samples)) / (1 + z2 / samples)
    root = math.sqrt(share * (1 - share) / samples + z2 / (4 * samples * samples))
    half = Z * root / (1 + z2 / samples)
    return max(0.0, middle - half), min(1.0, middle + half)


def threshold_of(tenant: Tenant) -> float:
    """The least similarity in force."""
    return max(
        read_settings(tenant.query_settings).similarity_threshold, tenant.raised_threshold or 0
    )


def adjust_threshold(tenant: Tenant) -> float | None:
    """Raises it a step when too many hits were wrong for certain, lowers it when few enough are.

    Only samples count that the threshold in question would have let through: those that a raised one
    stops say nothing more about it. Returns what it was raised to, as it is now.
    """
    samples = [each for each in _newest(tenant) if each[0] is not None]
    threshold, raised = threshold_of(tenant), tenant.raised_threshold
    settings = read_settings(tenant.query_settings)
    if _interval(samples, threshold)[0] > settings.false_hit_budget and threshold < HIGHEST:
        return _set(tenant, samples, threshold, min(HIGHEST, threshold + STEP))
    lower = threshold - STEP
    if raised is not None and _interval(samples, lower)[1] < settings.false_hit_budget:
        return _set(tenant, samples, threshold, lower)
    return raised


def _newest(tenant: Tenant) -> list[Sample]:
    with tenant_context(tenant):
        sampled = QueryTrace.objects.filter(tenant_id=tenant.pk).exclude(shadow_verdict="")
        newest = sampled.order_by("-created_at")[:NEWEST]
        return list(newest.values_list("cache_similarity", "shadow_verdict"))


def _interval(samples: Iterable[Sample], threshold: float) -> tuple[float, float]:
    """Of too few it is as wide as can be: they decide nothing."""
    counted = [each for each in samples if (each[0] or 0) >= threshold - 1e-9]
    return wilson_interval(_wrong(counted), len(counted)) if len(counted) >= FEWEST else (0.0, 1.0)


def _wrong(samples: Iterable[Sample]) -> int:
    return sum(verdict == DIFFERENT for _, verdict in samples)


def _set(tenant: Tenant, samples: list[Sample], before: float, wanted: float) -> float | None:
    own = read_settings(tenant.query_settings).similarity_threshold
    raised = None if wanted <= own + 1e-9 else round(wanted, 4)
    Tenant.objects.filter(pk=tenant.pk).update(raised_threshold=raised)
    record_event(
        "cache.threshold_raised" if wanted > before else "cache.threshold_lowered",
        actor=ACTOR,
        tenant=tenant,
        before=round(before, 4),
        after=round(raised or own, 4),
        samples=len(samples),
        wrong=_wrong(samples),
    )
    tenant.raised_threshold = raised
    return raised

"""Sums over the five-minute rows: of all tenants at one moment, or of one scope along the time.

A window ends at the moment itself, within the five minutes under way, and begins with whole ones.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Aggregate, BinaryField, Q, Sum

from monitoring.histograms import Histogram
from monitoring.models import RecentUsage
from monitoring.sums import AMOUNTS, CACHE_LAYERS, COUNTS, HISTOGRAMS, Sums

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from django.db.models import QuerySet

STEP = timedelta(minutes=5)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Joined(Aggregate):
    """Packed histograms one after the other are themselves a packed histogram."""

    template = "string_agg(%(expressions)s, ''::bytea)"


def step_of(at: datetime) -> datetime:
    """The beginning of the five minutes that hold it."""
    return at - (at - EPOCH) % STEP


def window_start(now: datetime, minutes: int) -> datetime:
    return step_of(now) - timedelta(minutes=minutes)


def sums_of_window(
    start: datetime,
    end: datetime,
    *,
    tenant_ids: Iterable[int] | None,
    fleet: bool,
    histograms: Collection[str] = HISTOGRAMS,
) -> dict[int | None, Sums]:
    """By tenant, the fleet under None, in one query. `tenant_ids` None: every tenant."""
    whose = Q(tenant_id__isnull=False) if tenant_ids is None else Q(tenant_id__in=list(tenant_ids))
    if fleet:
        whose |= Q(tenant_id__isnull=True)
    rows = RecentUsage.objects.filter(whose, starts_at__gte=start, starts_at__lt=end)
    return _added_up(rows, "tenant_id", histograms)


def series(
    tenant_id: int | None,
    start: datetime,
    end: datetime,
    minutes: int,
    histograms: Collection[str] = HISTOGRAMS,
) -> Iterator[tuple[datetime, Sums]]:
    """At the end of each five minutes from `start` to `end`, what the window then was. It is the same
    object each time."""
    before = timedelta(minutes=minutes)
    rows = RecentUsage.objects.filter(
        tenant_id=tenant_id, starts_at__gte=start - before, starts_at__lt=end
    )
    steps = _added_up(rows, "starts_at", histograms)
    window, at = Sums(), start - before
    while at < end:
        for step, sign in ((at, 1), (at - before, -1)):
            if step in steps:
                _add(window, steps[step], sign, histograms)
        at += STEP
        if at >= start:
            yield at, window


def _added_up(rows: QuerySet[RecentUsage], by: str, histograms: Iterable[str]) -> dict[Any, Sums]:
    """In one query, which gives one row for each value of `by`."""
    added = {f"{name}_": Sum(name) for name in (*COUNTS, *AMOUNTS)}
    added |= {f"cache_{layer}": Sum("questions", filter=Q(cache=layer)) for layer in CACHE_LAYERS}
    joined = {f"{name}_": _Joined(name, output_field=BinaryField()) for name in histograms}
    found = rows.order_by().values(by).annotate(**added, **joined)
    return {row[by]: _sums_of(row, tuple(joined)) for row in found}


def _sums_of(row: dict[str, Any], histograms: tuple[str, ...]) -> Sums:
    sums = Sums(**{name: row[f"{name}_"] for name in (*COUNTS, *AMOUNTS)})
    sums.caches = {layer: row[f"cache_{layer}"] or 0 for layer in CACHE_LAYERS}
    for name in histograms:
        packed = row[name]
        setattr(sums, name.rstrip("_"), Histogram.merged([bytes(packed)] if packed else []))
    return sums


def _add(window: Sums, other: Sums, sign: int, histograms: Iterable[str]) -> None:
    for name in (*COUNTS, *AMOUNTS):
        setattr(window, name, getattr(window, name) + sign * getattr(other, name))
    for layer, count in other.caches.items():
        window.caches[layer] = window.caches.get(layer, 0) + sign * count
    for name in histograms:
        histogram: Histogram = getattr(window, name)
        for bucket, count in getattr(other, name).counts.items():
            histogram.add(bucket, sign * count)

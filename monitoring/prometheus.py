"""The fleet's figures as Prometheus reads them, straight from the database: right whichever process is
asked, and after every restart.

No label names a tenant: their number has no bound, and whoever may read metrics need not know who uses
the installation. Models beyond the first hundred are summed up as `other`.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

from django.db.models import Count, Min, Sum
from django.utils import timezone
from prometheus_client.core import (
    CollectorRegistry,
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from monitoring.histograms import value_of
from monitoring.models import Alert, RecentUsage, RollupState, TotalSpending, TotalUsage
from monitoring.sums import CACHE_LAYERS, add_up
from tenants.models import DocumentJob, IsolationRun, SyncJob, Tenant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prometheus_client.core import Metric

    from monitoring.histograms import Histogram
    from monitoring.sums import Sums

# Those that were there first, as a counter may not pass from one name to another.
MOST_MODELS = 100
OTHER, NO_MODEL = "other", "none"
# Upper bounds in ms. Each bucket holds what is not above it by at most a hundredth.
BOUNDS = (5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000)
SIMILARITY_WINDOW = timedelta(hours=1)


class FleetCollector(Collector):
    """A fixed number of queries however many tenants, answers and models there are."""

    def collect(self) -> Iterator[Metric]:
        rows = list(TotalUsage.objects.filter(tenant_id=None).order_by("id"))
        sums = add_up(rows)
        yield from _queries(rows, sums)
        yield _histogram("rag_latency_ms", "Time to the whole answer, in ms.", sums.latency)
        yield _histogram(
            "rag_first_token_ms", "Time to the first text of an answer, in ms.", sums.first_token
        )
        yield from _quality(sums)
        yield from _money(sums)
        yield from _state()


def fleet_registry() -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(FleetCollector())
    return registry


def _queries(rows: Sequence[TotalUsage], sums: Sums) -> Iterator[Metric]:
    asked = CounterMetricFamily(
        "rag_queries", "Questions, answered or not.", labels=["model", "cache_hit"]
    )
    for (model, hit), count in sorted(_by_model(rows).items()):
        asked.add_metric([model, hit], count)
    yield asked
    yield CounterMetricFamily(
        "rag_simulated_queries", "Questions that are demo traffic.", value=sums.simulated
    )
    layers = CounterMetricFamily(
        "rag_cache_hits", "Answers from a layer of the cache.", labels=["layer"]
    )
    for layer in CACHE_LAYERS:
        layers.add_metric([layer], sums.caches.get(layer, 0))
    yield layers
    ended = CounterMetricFamily(
        "rag_outcomes", "Questions by how they ended, where it was not well.", labels=["outcome"]
    )
    for name in ("errors", "cancelled", "abstained", "degraded"):
        ended.add_metric([name], getattr(sums, name))
    yield ended


def _by_model(rows: Iterable[TotalUsage]) -> Counter[tuple[str, str]]:
    """By model and whether it came from the cache. `rows`: the oldest first."""
    shown = set(islice(dict.fromkeys(row.model for row in rows if row.model), MOST_MODELS))
    found = Counter[tuple[str, str]]()
    for row in rows:
        model = row.model if row.model in shown else OTHER if row.model else NO_MODEL
        found[model, "true" if row.cache in CACHE_LAYERS else "false"] += row.questions
    return found


def _quality(sums: Sums) -> Iterator[Metric]:
    recent = add_up(
        RecentUsage.objects.filter(
            tenant_id=None, starts_at__gte=timezone.now() - SIMILARITY_WINDOW
        )
    )
    similarity = GaugeMetricFamily(
        "rag_avg_similarity", "Average similarity of what was found, in the last hour."
    )
    if recent.avg_similarity is not None:
        similarity.add_metric([], recent.avg_similarity)
    yield similarity
    # A thumb can be taken back, which a counter may not show.
    ratings = GaugeMetricFamily("rag_ratings", "Answers that are rated so.", labels=["rating"])
    ratings.add_metric(["up"], sums.up)
    ratings.add_metric(["down"], sums.down)
    yield ratings
    samples = CounterMetricFamily(
        "rag_cache_samples", "Cache hits that were answered in full too.", labels=["verdict"]
    )
    samples.add_metric(["same"], sums.samples - sums.false_hits)
    samples.add_metric(["different"], sums.false_hits)
    yield samples


def _money(sums: Sums) -> Iterator[Metric]:
    a_query = SummaryMetricFamily(
        "rag_cost_per_query", "What answers cost as far as prices are known, in US dollars."
    )
    a_query.add_metric([], count_value=sums.questions, sum_value=float(sums.cost_usd))
    yield a_query
    spent = CounterMetricFamily(
        "rag_cost_usd",
        "US dollars by component, as far as prices are known; what is paid beside answers too.",
        labels=["component"],
    )
    unknown = CounterMetricFamily(
        "rag_unpriced_calls", "Paid calls of unknown price.", labels=["component"]
    )
    of_fleet = TotalSpending.objects.filter(tenant_id=None).values("component")
    found = of_fleet.annotate(usd=Sum("cost_usd"), unpriced=Sum("unpriced"))
    for row in found.order_by("component"):
        spent.add_metric([row["component"]], float(row["usd"]))
        unknown.add_metric([row["component"]], row["unpriced"])
    yield spent
    yield unknown
    yield CounterMetricFamily(
        "rag_unpriced_queries", "Answers of which some price is unknown.", value=sums.unpriced
    )
    saved = CounterMetricFamily("rag_saved_usd", "US dollars that were not spent.", labels=["by"])
    for name in ("cache", "routing", "compression"):
        saved.add_metric([name], float(getattr(sums, f"saved_{name}_usd")))
    yield saved
    tokens = CounterMetricFamily(
        "rag_tokens", "Tokens of the models that answered.", labels=["direction"]
    )
    tokens.add_metric(["input"], sums.input_tokens)
    tokens.add_metric(["output"], sums.output_tokens)
    yield tokens


def _state() -> Iterator[Metric]:
    tenants = GaugeMetricFamily("ragadmin_tenants", "Tenants by status.", labels=["status"])
    counted = Tenant.objects.customers().values_list("status").annotate(Count("id"))
    for status, count in sorted(counted):
        tenants.add_metric([status], count)
    yield tenants
    yield GaugeMetricFamily(
        "ragadmin_documents_waiting", "To be indexed.", value=DocumentJob.objects.count()
    )
    yield GaugeMetricFamily(
        "ragadmin_sync_runs_waiting", "Waiting or running.", value=SyncJob.objects.count()
    )
    alerts = GaugeMetricFamily("ragadmin_alerts_open", "Open alerts.", labels=["level"])
    found = dict(Alert.objects.filter(resolved_at=None).values_list("level").annotate(Count("id")))
    for level in Alert.Level.values:
        alerts.add_metric([level], found.get(level, 0))
    yield alerts
    yield from _ages()


def _ages() -> Iterator[Metric]:
    now = timezone.now()
    rolled_up = RollupState.objects.aggregate(at=Min("rolled_up_at"))["at"]
    age = GaugeMetricFamily(
        "ragadmin_rollup_age_seconds", "Since these figures were last brought up to date."
    )
    if rolled_up is not None:
        age.add_metric([], max(0.0, (now - rolled_up).total_seconds()))
    yield age
    newest = IsolationRun.objects.exclude(finished_at=None).order_by("-started_at").first()
    leaks = GaugeMetricFamily("ragadmin_isolation_leaks", "Found by the newest isolation check.")
    if newest is not None:
        leaks.add_metric([], newest.leaks)
    yield leaks


def _histogram(name: str, words: str, histogram: Histogram) -> Metric:
    buckets = [(f"{bound:g}", float(histogram.count_up_to(bound))) for bound in BOUNDS]
    total = float(histogram.total)
    family = HistogramMetricFamily(name, words)
    family.add_metric(
        [],
        buckets=[*buckets, ("+Inf", total)],
        sum_value=sum(value_of(bucket) * count for bucket, count in histogram.counts.items()),
    )
    return family

"""The fleet's figures as Prometheus reads them, straight from the database: right whichever process is
asked, and after every restart.

No label names a tenant: their number has no bound, and whoever may read metrics need not know who uses
the installation. Models beyond the busiest are summed up as `other`.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db.models import Count, Min
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

MOST_MODELS = 50
OTHER, NO_MODEL = "other", "none"
# Upper bounds in ms. Each bucket holds what is not above it by at most a hundredth.
BOUNDS = (5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000)
SIMILARITY_WINDOW = timedelta(hours=1)


class FleetCollector(Collector):
    """A fixed number of queries however many tenants, answers and models there are."""

    def collect(self) -> Iterator[Metric]:
        rows = list(TotalUsage.objects.filter(tenant_id=None))
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
    questions = Counter[str]()
    for row in rows:
        questions[row.model or NO_MODEL] += row.questions
    shown = {model for model, _ in questions.most_common(MOST_MODELS)}
    found = Counter[tuple[str, str]]()
    for row in rows:
        model = row.model or NO_MODEL
        hit = "true" if row.cache in CACHE_LAYERS else "false"
        found[model if model in shown else OTHER, hit] += row.questions
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
        "US dollars by component, checks of the cache among them.",
        labels=["component"],
    )
    amounts: dict[str, Decimal] = {}
    for component, amount in TotalSpending.objects.filter(tenant_id=None).values_list(
        "component", "cost_usd"
    ):
        amounts[component] = amounts.get(component, Decimal(0)) + amount
    for component, amount in sorted(amounts.items()):
        spent.add_metric([component], float(amount))
    yield spent
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

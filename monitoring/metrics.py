"""What alert rules can watch: each figure's name, unit and meaning, and how it is told from the sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from monitoring import other_figures
from monitoring.levels import Reading
from monitoring.sums import Sums

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

Unit = Literal["share", "ms", "usd", "count", "similarity", "seconds"]
Bad = Literal["above", "below"]
# By tenant, and of the fleet under None. A tenant that is not named has no data.
Readings = dict[int | None, Reading]
TENANT, FLEET = "tenant", "fleet"
BOTH = frozenset({TENANT, FLEET})


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """`value` and `count` are of usage sums; other figures have `read(start, now)` instead.

    `counted` says what the least count of a rule counts. `has_window` False: the figure is that of
    the moment, and no window changes it. `no_past`: why the past cannot be told.
    """

    key: str
    label: str
    unit: Unit
    bad: Bad
    counted: str
    about: str = ""
    scopes: frozenset[str] = BOTH
    value: Callable[[Sums], float | None] | None = None
    count: Callable[[Sums], int] | None = None
    histogram: str = ""
    read: Callable[[datetime, datetime], Readings] | None = None
    has_window: bool = True
    no_past: str = ""

    def of(self, sums: Sums) -> Reading:
        """Of usage sums."""
        assert self.value and self.count
        value = self.value(sums)
        known = None if value is None else float(value)
        unpriced = sums.unpriced if self.unit == "usd" else 0
        return Reading(known, self.count(sums), sums.questions, sums.simulated, unpriced)


def _questions(sums: Sums) -> int:
    return sums.questions


def _latency(share: float) -> Callable[[Sums], float | None]:
    return lambda sums: sums.latency.percentile(share)


def _known_cost(sums: Sums) -> float | None:
    known = sums.known_cost_usd
    return None if known is None else float(known)


def _measured(sums: Sums) -> int:
    return sums.latency.total


METRICS: Mapping[str, Metric] = {
    metric.key: metric
    for metric in (
        Metric(
            key="avg_similarity",
            label="Average similarity",
            unit="similarity",
            bad="below",
            counted="answers that rest on passages",
            about="How near the passages of an answer are to its question, from 0 to 1.",
            value=lambda sums: sums.avg_similarity,
            count=lambda sums: sums.similarity_count,
        ),
        Metric(
            key="thumbs_down_rate",
            label="Thumbs-down rate",
            unit="share",
            bad="above",
            counted="ratings",
            about="Of the rated answers; a rating counts at the time of its question.",
            value=lambda sums: sums.thumbs_down_rate,
            count=lambda sums: sums.up + sums.down,
        ),
        *(
            Metric(
                key=f"p{percent}_latency",
                label=f"p{percent} latency",
                unit="ms",
                bad="above",
                counted="answers",
                about=f"{percent} of 100 answers were complete within this time.",
                value=_latency(percent / 100),
                count=_measured,
                histogram="latency",
            )
            for percent in (50, 95, 99)
        ),
        Metric(
            key="first_token_p95",
            label="p95 time to first token",
            unit="ms",
            bad="above",
            counted="answers that a model wrote",
            about="95 of 100 generated answers had begun within this time.",
            value=lambda sums: sums.first_token.percentile(0.95),
            count=lambda sums: sums.first_token.total,
            histogram="first_token",
        ),
        Metric(
            key="error_rate",
            label="Error rate",
            unit="share",
            bad="above",
            counted="questions",
            about="Questions whose answer failed.",
            value=lambda sums: sums.error_rate,
            count=_questions,
        ),
        Metric(
            key="abstention_rate",
            label="Abstention rate",
            unit="share",
            bad="above",
            counted="questions",
            about="Questions to which the documents had no answer.",
            value=lambda sums: sums.abstention_rate,
            count=_questions,
        ),
        Metric(
            key="cache_hit_rate",
            label="Cache hit rate",
            unit="share",
            bad="below",
            counted="questions",
            value=lambda sums: sums.cache_hit_rate,
            count=_questions,
        ),
        Metric(
            key="false_hit_rate",
            label="Wrong cache hits",
            unit="share",
            bad="above",
            counted="hits that were checked",
            about="Of the cache hits that were answered in full as well and compared.",
            value=lambda sums: sums.false_hit_rate,
            count=lambda sums: sums.samples,
        ),
        Metric(
            key="degraded_rate",
            label="Degraded answers",
            unit="share",
            bad="above",
            counted="questions",
            about="Answers that had to do without a service or a model, or near the end of a budget.",
            value=lambda sums: sums.degraded / sums.questions if sums.questions else None,
            count=_questions,
        ),
        Metric(
            key="questions",
            label="Questions",
            unit="count",
            bad="below",
            counted="questions",
            about="With a least count of 0, too few questions can be watched for.",
            value=_questions,
            count=_questions,
        ),
        Metric(
            key="cost_usd",
            label="Cost",
            unit="usd",
            bad="above",
            counted="questions",
            about="Of the calls whose price is known; no data where none is.",
            value=lambda sums: _known_cost(sums) if sums.questions else None,
            count=_questions,
        ),
        Metric(
            key="cost_per_1000",
            label="Cost per 1,000 questions",
            unit="usd",
            bad="above",
            counted="questions",
            about="No data while the price of some answer in the window is unknown.",
            value=lambda sums: None if sums.cost_per_1000 is None else float(sums.cost_per_1000),
            count=_questions,
        ),
        Metric(
            key="budget_used",
            label="Budget used",
            unit="share",
            bad="above",
            counted="budgets",
            about="Of the tightest budget of the day or month: of the tenant, or of one of its keys.",
            scopes=frozenset({TENANT}),
            read=other_figures.budgets_used,
            has_window=False,
        ),
        Metric(
            key="failed_syncs",
            label="Failed syncs",
            unit="count",
            bad="above",
            counted="sync runs that ended",
            about="Runs of sources that failed as a whole.",
            read=other_figures.failed_syncs,
        ),
        Metric(
            key="isolation_leaks",
            label="Leaks between tenants",
            unit="count",
            bad="above",
            counted="probes",
            about="By the newest isolation check.",
            scopes=frozenset({FLEET}),
            read=other_figures.isolation_leaks,
            has_window=False,
        ),
        Metric(
            key="services_down",
            label="Services down",
            unit="count",
            bad="above",
            counted="services",
            about="Of those on the Services page. Who watches is the worker: if it is down, nobody is told.",
            scopes=frozenset({FLEET}),
            read=other_figures.services_down,
            has_window=False,
            no_past="Services are asked at the moment, and what they said is not stored.",
        ),
        Metric(
            key="rollup_lag",
            label="Age of the figures",
            unit="seconds",
            bad="above",
            counted="sums",
            about="How long ago answers were last added up.",
            scopes=frozenset({FLEET}),
            read=other_figures.rollup_lag,
            has_window=False,
            no_past="Only the newest summing up is remembered.",
        ),
    )
}


# Of a tenant that nobody asked anything, or of which nothing is stored.
NOTHING = {
    key: metric.of(Sums()) if metric.read is None else Reading() for key, metric in METRICS.items()
}

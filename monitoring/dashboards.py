"""What the dashboards show: some figures in a row, and charts, of one tenant or of the fleet.

A fixed number of queries: usage and spending of the period, and of the one before if it is compared;
for the fleet also its top tenants and their names.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.urls import reverse

from monitoring import cost_charts, dashboard_charts as charts
from monitoring.chart_values import format_value
from monitoring.charts import Chart, Series
from monitoring.cost_prices import prices_now
from monitoring.cost_table import BESIDE, CostTable, cost_table
from monitoring.dashboard_charts import Figures
from monitoring.usage import FLEET, Scope, read_spending, read_usage, top_tenants_by
from tenants.budget_view import Bar
from tenants.budgets import budget_figures
from tenants.models import Tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from monitoring.chart_values import Unit, Value
    from monitoring.periods import Period
    from monitoring.sums import Sums
    from monitoring.usage import TenantUsage

    Link = Callable[[datetime, datetime, str], str]

CHARTS = (
    charts.questions,
    charts.latency,
    cost_charts.cost_by_component,
    cost_charts.cost_by_model,
    charts.cache_hits,
    charts.saved,
    charts.ratings,
    charts.similarity,
    charts.similarity_spread,
    charts.questions_by_model,
)
# The table of costs has an address as charts have.
COSTS = "costs"
TOP_SHOWN = 10
# More than there are of those that the installation makes for its own checks, which are nobody's.
OWN_TENANTS = 20
A_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Tile:
    """`before` is the same figure of the period before, as written; `href` leads to what is counted."""

    label: str
    value: str
    detail: str = ""
    before: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class Dashboard:
    period: Period
    sums: Sums
    tiles: Sequence[Tile]
    charts: Sequence[Chart]
    costs: CostTable
    costs_csv_url: str = ""
    # The tenant's own, not those of its keys.
    budgets: Sequence[Bar] = ()

    @property
    def is_unused(self) -> bool:
        """An evaluation asks no question of anybody's, and is paid for."""
        return not self.sums.questions and not self.costs.total.calls

    def with_csv(self, folder: str, query: str) -> Dashboard:
        """Each chart with the address of its figures as a file."""
        charts = [replace(each, csv_url=f"{folder}{each.key}.csv?{query}") for each in self.charts]
        return replace(self, charts=charts, costs_csv_url=f"{folder}{COSTS}.csv?{query}")

    def find(self, key: str) -> Chart | None:
        return next((chart for chart in self.charts if chart.key == key), None)

    def csv_rows(self, key: str) -> list[list[object]] | None:
        """Of a chart or of the costs; None if there is no such thing."""
        found = self.costs if key == COSTS else self.find(key)
        return found.csv_rows() if found else None


def tenant_dashboard(tenant: Tenant, period: Period, *, compare: bool) -> Dashboard:
    traces = reverse("traces", args=[tenant.slug])

    def link(start: datetime, end: datetime, filters: str) -> str:
        return f"{traces}?{urlencode({'from': _iso(start), 'to': _iso(end)})}{filters}"

    found = _dashboard(tenant, period, link, compare=compare)
    bars = [Bar(each) for each in budget_figures(tenant) if each.api_key_id is None]
    return replace(found, budgets=bars)


def fleet_dashboard(period: Period, *, compare: bool, now: datetime) -> Dashboard:
    page = reverse("operator")

    def link(start: datetime, end: datetime, filters: str) -> str:
        """A bar of the fleet opens as a period of its own; an hour is the least there is."""
        if period.bucket == "hour" or (start, end) == (period.start, period.end):
            return ""
        first, last = start.astimezone(period.zone), end.astimezone(period.zone)
        days = {"from": first.date(), "to": (last - A_MOMENT).date()}
        return f"{page}?{urlencode(days)}"

    found = _dashboard(None, period, link, compare=compare, link_words="its own figures")
    orders, most = ("cost", "questions"), TOP_SHOWN + OWN_TENANTS
    top = top_tenants_by(period, now=now, orders=orders, limit=most)
    return replace(found, charts=[*found.charts, *(_top(period, by, top[by]) for by in orders)])


def _dashboard(
    tenant: Tenant | None,
    period: Period,
    link: Link,
    *,
    compare: bool,
    link_words: str = "the traces",
) -> Dashboard:
    scope = Scope(tenant.pk) if tenant else FLEET
    before = _figures(scope, period.previous(), link) if compare else None
    figures = replace(_figures(scope, period, link, before), link_words=link_words)
    sums = figures.usage.sums()
    return Dashboard(
        period=period,
        sums=sums,
        tiles=_tiles(figures, sums),
        charts=[draw(figures) for draw in CHARTS],
        costs=cost_table(sums, figures.spending, prices_now(tenant, figures.spending)),
    )


def _figures(scope: Scope, period: Period, link: Link, before: Figures | None = None) -> Figures:
    usage = read_usage(scope, period)
    return Figures(usage, usage.series(), read_spending(scope, period), link, before)


def _top(period: Period, by: str, found: Sequence[TenantUsage]) -> Chart:
    names = Tenant.objects.in_bulk([each.tenant_id for each in found])
    found = [
        each
        for each in found
        if each.tenant_id not in names
        or not names[each.tenant_id].slug.startswith(Tenant.KEPT_PREFIXES)
    ]
    is_cost = by == "cost"
    unpriced = sum(each.unpriced for each in found)
    if is_cost:
        found = [each for each in found if each.cost_usd]
    found = found[:TOP_SHOWN]
    values = tuple(each.cost_usd if is_cost else each.questions for each in found)
    notes = ["Days are those of each tenant's own time zone."] if found else []
    if is_cost and unpriced:
        notes.append("What is of unknown price is in none of these amounts.")
    return Chart(
        key=f"top-tenants-by-{by}",
        title="Tenants by cost" if is_cost else "Tenants by questions",
        unit="usd" if is_cost else "count",
        kind="hbar",
        labels=tuple(_name(names.get(each.tenant_id)) for each in found),
        series=(Series(by, by.capitalize(), values, "series-1"),),
        links=tuple(_tenant_link(names.get(each.tenant_id), period) for each in found),
        link_words="its dashboard",
        empty_text="Nobody's questions cost anything that is known.",
        note=" ".join(notes),
    )


def _name(tenant: Tenant | None) -> str:
    return tenant.name if tenant else "A tenant that is gone"


def _tenant_link(tenant: Tenant | None, period: Period) -> str:
    if tenant is None:
        return ""
    return f"{reverse('dashboard', args=[tenant.slug])}?{urlencode(range_query(period))}"


def range_query(period: Period) -> dict[str, str]:
    """The period in a URL."""
    return {"range": period.name} if period.name else days_of(period)


def days_of(period: Period) -> dict[str, str]:
    first, last = period.start.astimezone(period.zone), period.end - A_MOMENT
    return {
        "from": first.date().isoformat(),
        "to": last.astimezone(period.zone).date().isoformat(),
    }


def _tiles(figures: Figures, sums: Sums) -> list[Tile]:
    before = figures.before.usage.sums() if figures.before else None

    def tile(
        label: str, unit: Unit, read: Callable[[Sums], Value], detail: str = "", filters: str = ""
    ) -> Tile:
        past = read(before) if before else None
        return Tile(
            label,
            format_value(read(sums), unit),
            detail,
            "" if past is None else format_value(past, unit),
            figures.link(figures.period.start, figures.period.end, filters),
        )

    rated = sums.up + sums.down
    return [
        tile("Questions", "count", lambda s: s.questions, _demo_words(sums)),
        tile(
            "Cost", "usd", _known_cost, f"{_unpriced_words(sums)} {_beside_words(figures)}".strip()
        ),
        tile(
            "Cost per 1,000",
            "usd",
            lambda s: s.cost_per_1000,
            "unknown with those answers" if sums.unpriced else "questions",
        ),
        tile("Saved", "usd", lambda s: s.saved_usd, "cache, routing, compression"),
        tile("From the cache", "percent", _percent("cache_hit_rate"), filters="&cache=any"),
        tile("Latency", "ms", lambda s: s.latency.percentile(0.95), "p95, whole answer"),
        tile("First text", "ms", lambda s: s.first_token.percentile(0.95), "p95"),
        tile(
            "Errors", "percent", _percent("error_rate"), f"{sums.errors:,} in all", "&status=failed"
        ),
        tile(
            "Thumbs down",
            "percent",
            _percent("thumbs_down_rate"),
            f"of {rated:,} rating{'' if rated == 1 else 's'}",
            "&rating=down",
        ),
        tile("Similarity", "similarity", lambda s: s.avg_similarity, "average of what was found"),
    ]


def _known_cost(sums: Sums) -> Value:
    """None where nothing is known of it, which is not the same as free."""
    return None if sums.unpriced and not sums.cost_usd else sums.cost_usd


def _beside_words(figures: Figures) -> str:
    """What was paid beside the answers, as charts of cost have it too."""
    found = figures.spending.by_component()
    beside = sum((found[name].cost_usd for name in BESIDE if name in found), Decimal(0))
    return f"and {format_value(beside, 'usd')} beside the answers" if beside else ""


def _percent(name: str) -> Callable[[Sums], Value]:
    def read(sums: Sums) -> Value:
        rate = getattr(sums, name)
        return None if rate is None else rate * 100

    return read


def _demo_words(sums: Sums) -> str:
    if not sums.simulated:
        return ""
    if sums.simulated == sums.questions:
        return "all of them demo traffic"
    return f"{sums.simulated:,} of them demo traffic"


def _unpriced_words(sums: Sums) -> str:
    if not sums.unpriced:
        return ""
    return f"and {sums.unpriced:,} answer{'' if sums.unpriced == 1 else 's'} of unknown price"


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")

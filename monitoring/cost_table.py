"""What an answer is made of and what each part costs: per thousand questions, as a share, and how to pay
less; and what the same answers had cost without cache, routing and compression."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from monitoring.chart_values import UNKNOWN, format_value
from monitoring.sums import as_known
from monitoring.usage import Spent
from retrieval.types import COST_COMPONENTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitoring.cost_prices import PriceNow
    from monitoring.sums import Sums
    from monitoring.usage import Spending

# Component, what it is called, how to lower it, and the settings page where that is done.
PARTS = (
    ("embedding", "Question embedding", "Keep vectors of questions, embed here", "indexing-settings"),
    ("search", "Search", "Fewer passages, a smaller index", "settings-search"),
    ("rerank", "Re-ranking", "Re-rank here, fewer candidates", "settings-search"),
    ("multi_query", "Multi-query", "Only where a question needs it, small model", "settings-search"),
    ("generation", "Generation", "Cache, smaller models, fewer passages", "settings-models"),
    ("shadow", "Checks of cache hits", "Check a smaller share of them", "settings-cache"),
    ("evaluation", "Evaluations", "Fewer golden questions, not every night", "evaluations"),
    ("indexing", "Indexing", "Embed here; sync what changes less often", "indexing-settings"),
    ("lookup", "Searches without an answer", "Keep vectors of questions, re-rank here", "settings-search"),
    ("diagnosis", "Diagnoses, documents to write", "Embed here", "indexing-settings"),
)  # fmt: skip
# Spent beside the answers, and shown where there was any.
BESIDE = {part[0]: part[1] for part in PARTS if part[0] not in COST_COMPONENTS}
# Not paid to anybody until somebody sets a price, which these are the names of.
INFRASTRUCTURE = {"search": "search", "rerank": "rerank", "embedding": ""}
# Done for every question that is not answered from the cache, also where no price is set.
ALWAYS = "search"
SAVINGS = (
    ("saved_cache_usd", "Saved by the cache"),
    ("saved_routing_usd", "Saved by smaller models"),
    ("saved_compression_usd", "Saved by compression"),
)


@dataclass(frozen=True, slots=True)
class CostRow:
    """`cost_usd`: None if no price is known of any call. `share`: of all known costs, in percent.

    `set_price`: the names of models that a price can be set for; `has_no_price`: of none of them is one.
    """

    component: str
    label: str
    advice: str
    page: str
    calls: int
    cost_usd: Decimal | None
    unpriced: int
    per_1000_usd: Decimal | None
    share: Decimal | None
    set_price: tuple[str, ...] = ()
    has_no_price: bool = False
    prices: tuple[PriceNow, ...] = ()

    @property
    def is_unused(self) -> bool:
        return not self.calls and not self.has_no_price

    @property
    def cells(self) -> tuple[str, str, str]:
        """In the period, per 1,000 questions and the share, as written."""
        if self.is_unused:
            return "not used", UNKNOWN, UNKNOWN
        if self.has_no_price:
            return "no price set", UNKNOWN, UNKNOWN
        whole = "price unknown" if self.cost_usd is None else format_value(self.cost_usd, "usd")
        return whole, format_value(self.per_1000_usd, "usd"), format_value(self.share, "percent")


@dataclass(frozen=True, slots=True)
class Line:
    """Of the reckoning from the full price down to what was paid; amounts that lower it are negative."""

    label: str
    usd: Decimal
    per_1000_usd: Decimal | None
    share: Decimal | None

    @property
    def cells(self) -> tuple[str, str, str]:
        return (
            format_value(self.usd, "usd"),
            format_value(self.per_1000_usd, "usd"),
            format_value(self.share, "percent"),
        )


@dataclass(frozen=True, slots=True)
class CostTable:
    rows: Sequence[CostRow]
    total: CostRow
    reckoning: Sequence[Line]

    @property
    def has_prices(self) -> bool:
        return any(row.prices for row in self.rows)

    def csv_rows(self) -> list[list[object]]:
        header: list[object] = [
            "Component", "Calls", "Cost (USD)", "Calls of unknown price", "Per 1,000 questions (USD)",
            "Share (%)", "Prices in force now",
        ]  # fmt: skip
        rows = [
            [row.label, row.calls, row.cost_usd, row.unpriced, row.per_1000_usd, row.share,
             "; ".join(map(str, row.prices))]
            for row in (*self.rows, self.total)
        ]  # fmt: skip
        lines = [
            [line.label, None, line.usd, None, line.per_1000_usd, line.share, None]
            for line in self.reckoning
        ]
        return [header, *rows, *lines]


def cost_table(
    sums: Sums, spending: Spending, prices: Mapping[str, tuple[PriceNow, ...]]
) -> CostTable:
    """`prices`: those in force now, by component."""
    found, total = spending.by_component(), spending.total()
    rows = [
        _row(part, found.get(part[0], Spent()), total, sums, _unpaid_models(spending, part[0]))
        for part in PARTS
        if part[0] not in BESIDE or part[0] in found
    ]
    rows = [replace(row, prices=prices.get(row.component, ())) for row in rows]
    whole = _row(("", "Total", "", ""), total, total, sums, ())
    beside = [(label, found[name].cost_usd) for name, label in BESIDE.items() if name in found]
    return CostTable(rows, whole, _reckon(sums, beside))


def _row(
    part: tuple[str, str, str, str], spent: Spent, total: Spent, sums: Sums, unpaid: tuple[str, ...]
) -> CostRow:
    component, label, advice, page = part
    known = as_known(spent.cost_usd, spent.unpriced)
    is_free = spent.calls > 0 and not spent.unpriced and not spent.cost_usd
    was_done = component == ALWAYS and sums.questions > sums.hits
    has_no_price = component in INFRASTRUCTURE and (is_free or (not spent.calls and was_done))
    own_name = INFRASTRUCTURE.get(component)
    names = (own_name,) if own_name else unpaid
    return CostRow(
        component=component,
        label=label,
        advice=advice,
        page=page,
        calls=spent.calls,
        cost_usd=known,
        unpriced=spent.unpriced,
        per_1000_usd=_per_1000(spent, sums),
        share=None if known is None else _percent(known, total.cost_usd),
        set_price=names if has_no_price or spent.unpriced else (),
        has_no_price=has_no_price,
    )


def _unpaid_models(spending: Spending, component: str) -> tuple[str, ...]:
    """Those of unknown price, the busiest first; where there is none, those that cost nothing."""
    rows = [row for row in spending.rows if row.component == component]
    rows = [row for row in rows if row.unpriced] or [row for row in rows if not row.cost_usd]
    calls: dict[str, int] = {}
    for row in rows:
        calls[row.model] = calls.get(row.model, 0) + row.calls
    return tuple(sorted(calls, key=lambda model: (-calls[model], model)))


def _reckon(sums: Sums, beside: Sequence[tuple[str, Decimal]]) -> list[Line]:
    """Empty where nothing was saved."""
    if not sums.saved_usd:
        return []
    full = sums.cost_usd + sums.saved_usd
    amounts = [("At full price", full)]
    amounts += [(label, -getattr(sums, name)) for name, label in SAVINGS if getattr(sums, name)]
    amounts += [(label, usd) for label, usd in beside if usd]
    amounts.append(("Paid", sums.cost_usd + sum((usd for _, usd in beside), Decimal(0))))
    return [
        Line(
            label, usd, usd * 1000 / sums.questions if sums.questions else None, _percent(usd, full)
        )
        for label, usd in amounts
    ]


def _per_1000(spent: Spent, sums: Sums) -> Decimal | None:
    """None where some price is unknown: the rest would be too little."""
    if spent.unpriced or not sums.questions:
        return None
    return spent.cost_usd * 1000 / sums.questions


def _percent(part: Decimal, whole: Decimal) -> Decimal | None:
    return part * 100 / whole if whole else None

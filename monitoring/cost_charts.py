"""The charts of what was paid: by component and by model."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from monitoring.charts import Series
from monitoring.dashboard_charts import MOST_MODELS, OTHERS, Figures, draw_chart
from retrieval.providers.extractive import MODEL as QUOTES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from monitoring.charts import Chart
    from monitoring.usage import SpendingRow, Spent

COMPONENTS = {
    "generation": ("Generation", "cost-generation"),
    "multi_query": ("Multi-query", "cost-multi-query"),
    "rerank": ("Re-ranking", "cost-rerank"),
    "search": ("Search", "cost-search"),
    "embedding": ("Question embedding", "cost-embedding"),
    "shadow": ("Checks of cache hits", "cost-infrastructure"),
    "evaluation": ("Evaluations", "series-8"),
    "indexing": ("Indexing", "neutral-2"),
    "lookup": ("Searches without an answer", "series-6"),
    "diagnosis": ("Diagnoses, documents to write", "series-7"),
}


def cost_by_component(figures: Figures) -> Chart:
    names = [name for name in COMPONENTS if name in figures.spending.by_component()]
    unpriced = figures.spending.total().unpriced
    return _spent_chart(
        figures,
        "cost-by-component",
        "Cost by component",
        [(name, *COMPONENTS[name]) for name in names],
        lambda row: row.component,
        note=unpriced_words(unpriced),
        empty_text=f"{_free_words(figures)} Set a price to count the work of your own machines:"
        " “What an answer costs” below has the way to it.",
    )


def _free_words(figures: Figures) -> str:
    spent = figures.spending.total()
    if spent.unpriced:
        return "Of nothing that was used is the price known."
    if not spent.calls:
        return "Nothing was paid: no model or service that has a price was used."
    calls = "the one call" if spent.calls == 1 else f"all {spent.calls:,} calls"
    return f"Nothing was paid: {calls} of this period had a price of zero."


def _free_models_words(figures: Figures) -> str:
    """Who answered, and what was called, where nothing was paid."""
    quoted = figures.usage.by_model().get(QUOTES)
    asked = quoted.sums().questions if quoted else 0
    quotes = f"{asked:,} answer{' was' if asked == 1 else 's were'} quoted from passages, without a model."
    found = [(model, spent.calls) for (_, model), spent in figures.spending.by_model().items()]
    calls = ", ".join(f"{model} ({count:,})" for model, count in found[:MOST_MODELS])
    free = f"Called at a price of zero: {calls}."
    return " ".join([quotes] * bool(asked) + [free] * bool(calls))


def unpriced_words(calls: int) -> str:
    if not calls:
        return ""
    are = "call is" if calls == 1 else "calls are"
    return f"{calls:,} paid {are} of unknown price and not in these amounts."


def cost_by_model(figures: Figures) -> Chart:
    """By the model that was paid, whatever for."""
    unpriced = figures.spending.total().unpriced
    dearest = [model for (_, model), spent in figures.spending.by_model().items() if spent.cost_usd]
    shown = list(dict.fromkeys(dearest))[:MOST_MODELS]
    parts = [(name, name, f"series-{place}") for place, name in enumerate(shown, 1)]
    if set(dearest) - set(shown):
        parts.append((OTHERS, OTHERS, "neutral-2"))
    return _spent_chart(
        figures,
        "cost-by-model",
        "Cost by model",
        parts,
        lambda row: row.model if row.model in shown else OTHERS,
        note=unknown_models_words(figures.spending),
        empty_text=("" if unpriced else _free_models_words(figures)) or _free_words(figures),
    )


def unknown_models_words(spending: Any) -> str:
    names = [model for (_, model), spent in spending.by_model().items() if spent.unpriced]
    if not names:
        return ""
    more = f" and {len(names) - MOST_MODELS} more" if len(names) > MOST_MODELS else ""
    return f"Of unknown price, and not in these amounts: {', '.join(names[:MOST_MODELS])}{more}."


def _spent_chart(
    figures: Figures,
    key: str,
    title: str,
    parts: Sequence[tuple[str, str, str]],
    of: Callable[[SpendingRow], str],
    note: str,
    empty_text: str,
) -> Chart:
    bars, before = figures.spending.series(of), figures.before
    series = tuple(
        Series(name, label, tuple(_cost(bar, name) for _, bar in bars), role)
        for name, label, role in parts
    )
    return draw_chart(
        figures,
        key,
        title,
        "usd",
        series=series,
        names_series=True,
        previous=(_whole(before.spending),) if before else (),
        note=note,
        empty_text=empty_text,
    )


def _whole(spending: Any) -> Series:
    """All together: what was paid for in the period before need not be in this one."""
    bars = spending.series(lambda _: "")
    return Series("all", "All", tuple(_cost(bar, "") for _, bar in bars), "previous")


def _cost(bar: dict[str, Spent], name: str) -> Decimal:
    return bar[name].cost_usd if name in bar else Decimal(0)

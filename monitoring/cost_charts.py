"""The charts of what was paid: by component and by model."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from monitoring.charts import Series
from monitoring.dashboard_charts import MOST_MODELS, OTHERS, Figures, draw_chart

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
    )


def unpriced_words(calls: int) -> str:
    if not calls:
        return ""
    are = "call is" if calls == 1 else "calls are"
    return f"{calls:,} paid {are} of unknown price and not in these amounts."


def cost_by_model(figures: Figures) -> Chart:
    """By the model that was paid, whatever for."""
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
    note: str = "",
) -> Chart:
    def several(spending: Any) -> tuple[Series, ...]:
        bars = spending.series(of)
        return tuple(
            Series(name, label, tuple(_cost(bar, name) for _, bar in bars), role)
            for name, label, role in parts
        )

    before = figures.before
    return draw_chart(
        figures,
        key,
        title,
        "usd",
        series=several(figures.spending),
        previous=several(before.spending) if before and parts else (),
        note=note,
        empty_text="Nothing that has a price was used in this period.",
    )


def _cost(bar: dict[str, Spent], name: str) -> Decimal:
    return bar[name].cost_usd if name in bar else Decimal(0)

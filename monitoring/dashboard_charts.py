"""The charts of a dashboard, from usage and spending that were read once for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitoring.chart_values import format_value
from monitoring.charts import Chart, Headline, Series
from monitoring.histograms import GROWTH, bucket_of, value_of
from monitoring.sums import CACHE_LAYERS, Sums

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from monitoring.charts import Value
    from monitoring.periods import Period
    from monitoring.usage import Usage

# More models than these are one bar, so that they can be told apart.
MOST_MODELS = 6
LAYERS = {"exact": "Same question", "semantic": "Like question", "llm": "Model reply reused"}
SAVED = {
    "saved_cache_usd": ("Cache", "cache-exact"),
    "saved_routing_usd": ("Smaller model", "cache-semantic"),
    "saved_compression_usd": ("Compression", "cache-llm"),
}
OTHERS, NO_MODEL = "Other models", "No model"
BINS = 10


@dataclass(frozen=True, slots=True)
class Figures:
    """What the charts are drawn from. `link` gives the address of what is behind a bar."""

    usage: Usage
    series: list[tuple[datetime, Sums]]
    spending: Any
    link: Callable[[datetime, datetime, str], str]
    before: Figures | None = None
    link_words: str = "the traces"

    @property
    def period(self) -> Period:
        return self.usage.period

    def sums(self) -> list[Sums]:
        return [sums for _, sums in self.series]

    def lines(self, key: str, label: str, role: str, read: Callable[[Sums], Value]) -> Series:
        return Series(key, label, tuple(read(sums) for sums in self.sums()), role)


def questions(figures: Figures) -> Chart:
    """Every question is in one of the parts."""
    return _bars(
        figures,
        "questions",
        "Questions",
        "count",
        [
            ("answered", "Answered", "queries", _answered),
            ("abstained", "Nothing found", "neutral-2", lambda sums: sums.abstained),
            ("cancelled", "Cancelled", "series-2", lambda sums: sums.cancelled),
            ("errors", "Errors", "errors", lambda sums: sums.errors),
        ],
    )


def _answered(sums: Sums) -> int:
    return max(0, sums.questions - sums.abstained - sums.cancelled - sums.errors)


def questions_by_model(figures: Figures) -> Chart:
    models = figures.usage.by_model()
    shown = list(models)[:MOST_MODELS]

    def asked(sums: Usage) -> tuple[int, ...]:
        return tuple(each.questions for _, each in sums.series())

    series = [
        Series(name or "none", name or NO_MODEL, asked(models[name]), f"series-{place}")
        for place, name in enumerate(shown, 1)
    ]
    rest = [asked(models[name]) for name in list(models)[MOST_MODELS:]]
    if rest:
        values = tuple(map(sum, zip(*rest, strict=True)))
        series.append(Series("others", OTHERS, values, "neutral-2"))
    return draw_chart(
        figures,
        "questions-by-model",
        "Questions by model",
        "count",
        series=tuple(series),
        names_series=True,
    )


def latency(figures: Figures) -> Chart:
    """Of answers in a bar; a percentile of none is a gap."""
    lines = [
        ("p50", "p50", "p50", lambda sums: sums.latency.percentile(0.5)),
        ("p95", "p95", "p95", lambda sums: sums.latency.percentile(0.95)),
        ("p99", "p99", "p99", lambda sums: sums.latency.percentile(0.99)),
        ("first-token", "First text p95", "first-token", lambda s: s.first_token.percentile(0.95)),
    ]
    whole = figures.usage.sums().latency.percentile(0.95)
    before = figures.before and figures.before.usage.sums().latency.percentile(0.95)
    return _lines(
        figures, "latency", "Latency", "ms", lines, Headline(whole, "p95 of the period", before)
    )


def cache_hits(figures: Figures) -> Chart:
    now, before = figures.usage.sums(), figures.before and figures.before.usage.sums()
    rate = now.cache_hit_rate
    note = (
        "" if rate is None else f"{_percent(rate)} of all questions were answered from the cache."
    )
    if before and before.cache_hit_rate is not None:
        note += f" In the period before: {_percent(before.cache_hit_rate)}."
    return _bars(
        figures,
        "cache-hits",
        "Cache hits by layer",
        "count",
        [
            (
                layer,
                LAYERS[layer],
                f"cache-{layer}",
                lambda sums, layer=layer: sums.caches.get(layer, 0),
            )
            for layer in CACHE_LAYERS
        ],
        filters="&cache=any",
        note=note,
        empty_text="Nothing was answered from the cache in this period.",
    )


def saved(figures: Figures) -> Chart:
    sums = figures.usage.sums()
    was_paid = sums.cost_usd or sums.unpriced
    return _bars(
        figures,
        "saved",
        "Money saved",
        "usd",
        [
            (name, label, role, lambda sums, name=name: getattr(sums, name))
            for name, (label, role) in SAVED.items()
        ],
        note="Against the same answers without cache, with the large model, and uncompressed.",
        empty_text="Nothing was saved in this period."
        if was_paid
        else "There was nothing to save: nothing was paid.",
    )


def ratings(figures: Figures) -> Chart:
    now = figures.usage.sums()
    rated, down = now.up + now.down, now.thumbs_down_rate
    note = "" if down is None else f"{_percent(down)} of {rated:,} ratings are thumbs down."
    past = figures.before and figures.before.usage.sums().thumbs_down_rate
    if note and past is not None:
        note += f" In the period before: {_percent(past)}."
    return _bars(
        figures,
        "ratings",
        "Ratings",
        "count",
        [
            ("up", "Thumbs up", "up", lambda sums: sums.up),
            ("down", "Thumbs down", "down", lambda sums: sums.down),
        ],
        filters="&rating=any",
        note=note and f"{note} By the time of the question.",
        empty_text="Nobody rated an answer of this period.",
    )


def similarity(figures: Figures) -> Chart:
    lines = [("avg", "Average", "similarity", lambda sums: sums.avg_similarity)]
    whole = figures.usage.sums().avg_similarity
    before = figures.before and figures.before.usage.sums().avg_similarity
    return _lines(
        figures,
        "similarity",
        "Similarity of what was found",
        "similarity",
        lines,
        Headline(whole, "average of the period", before),
    )


def similarity_spread(figures: Figures) -> Chart:
    """Answers by the average similarity of their passages, in tenths."""
    counts = [0] * BINS
    for bucket, count in figures.usage.sums().similarity.counts.items():
        counts[min(BINS - 1, int(value_of(bucket) * BINS))] += count
    labels = tuple(f"{place / BINS:.1f} to {(place + 1) / BINS:.1f}" for place in range(BINS))
    is_empty = not any(counts)
    period = figures.period
    links = [figures.link(period.start, period.end, _similar(place)) for place in range(BINS)]
    return Chart(
        key="similarity-spread",
        title="Answers by similarity",
        unit="count",
        kind="hbar",
        empty_text="No answer of this period rests on passages.",
        labels=() if is_empty else labels,
        series=(Series("answers", "Answers", () if is_empty else tuple(counts), "similarity"),),
        links=() if is_empty else tuple(links),
        link_words=figures.link_words,
    )


def _similar(place: int) -> str:
    """The filters of the traces in a tenth: its bounds are those of the histogram's buckets."""
    above, below = _bound(place), _bound(place + 1)
    filters = f"&similarity_above={above:.6f}" if place else ""
    return filters if place == BINS - 1 else f"{filters}&similarity_below={below:.6f}"


def _bound(place: int) -> float:
    """Above it are the buckets whose value is in this tenth or in a later one."""
    if not place:
        return 0.0
    bucket = bucket_of(place / BINS)
    return GROWTH ** (bucket - (int(value_of(bucket) * BINS) >= place))


def _bars(
    figures: Figures,
    key: str,
    title: str,
    unit: Any,
    parts: Sequence[tuple[str, str, str, Callable[[Sums], Value]]],
    **more: Any,
) -> Chart:
    before = figures.before
    return draw_chart(
        figures,
        key,
        title,
        unit,
        series=tuple(figures.lines(*part) for part in parts),
        previous=tuple(before.lines(*part) for part in parts) if before else (),
        **more,
    )


def _lines(
    figures: Figures,
    key: str,
    title: str,
    unit: Any,
    parts: Sequence[tuple[str, str, str, Callable[[Sums], Value]]],
    headline: Headline,
) -> Chart:
    before = figures.before
    return draw_chart(
        figures,
        key,
        title,
        unit,
        kind="line",
        series=tuple(figures.lines(*part) for part in parts),
        # Of one line: those of all would hide what they are compared with.
        previous=tuple(before.lines(*part) for part in parts[:1]) if before else (),
        headline=headline if headline.value is not None else None,
    )


def draw_chart(
    figures: Figures,
    key: str,
    title: str,
    unit: Any,
    *,
    series: tuple[Series, ...],
    kind: Any = "bar",
    filters: str = "",
    **more: Any,
) -> Chart:
    period = figures.period
    starts = tuple(start for start, _ in figures.series)
    is_unused = not any(value for one in series for value in one.values)
    links = tuple(figures.link(*period.bounds(start), filters) for start in starts)
    return Chart(
        key=key,
        title=title,
        unit=unit,
        kind=kind,
        labels=starts,
        # Bars of nothing but zeros say less than the words for it.
        series=tuple(_without(one) for one in series) if is_unused else series,
        bucket=period.bucket,
        timezone=period.timezone,
        links=links,
        link_words=figures.link_words,
        **more,
    )


def _percent(part: float) -> str:
    return format_value(part * 100, "percent")


def _without(one: Series) -> Series:
    return Series(one.key, one.label, (None,) * len(one.values), one.role)

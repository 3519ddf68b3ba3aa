"""Charts of every state, with figures that are the same each time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import sin

from monitoring.charts import Chart, Series

START = datetime(2026, 11, 1, tzinfo=UTC)
# Berlin's clocks go back at 01:00 UTC: the day begins at 22:00 UTC and has 25 hours.
LONG_DAY = datetime(2026, 10, 24, 22, tzinfo=UTC)
STEPS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
COMPONENTS = (
    ("generation", "Generation", "0.0041"),
    ("embedding", "Query embedding", "0.0002"),
    ("search", "Vector search", "0.0007"),
    ("rerank", "Re-ranking", "0.0011"),
    ("multi-query", "Multi-query", "0.0005"),
)


def starts(count, bucket="hour", first=START):
    return tuple(first + STEPS[bucket] * place for place in range(count))


def wave(count, height, phase=0.0):
    """Above zero, never twice the same."""
    return [
        height * (1.2 + sin(place / 3.1 + phase) + 0.15 * sin(place * 2.7))
        for place in range(count)
    ]


def cost(**given):
    series = tuple(
        Series(
            key, label, tuple(Decimal(f"{v:.6f}") for v in wave(24, float(unit), n)), f"cost-{key}"
        )
        for n, (key, label, unit) in enumerate(COMPONENTS)
    )
    before = tuple(
        Series(s.key, s.label, s.values[::-1] + (Decimal("0.02"),), s.role) for s in series
    )
    defaults = {
        "key": "cost",
        "title": "Cost by component",
        "unit": "usd",
        "kind": "bar",
        "labels": starts(24),
        "bucket": "hour",
        "series": series,
        "previous": before,
        "links": tuple(f"/traces/?hour={hour}" for hour in range(24)),
        "csv_url": "/cost.csv",
    }
    return Chart(**defaults | given)


def latency(count=30, bucket="day", key="latency", gaps=True):
    def line(height, phase):
        values = [round(v, 1) for v in wave(count, height, phase)]
        return tuple(None if gaps and place % 11 in (4, 6) else v for place, v in enumerate(values))

    return Chart(
        key=key,
        title="Latency",
        unit="ms",
        kind="line",
        labels=starts(count, bucket),
        bucket=bucket,
        timezone="Europe/Berlin",
        series=(
            Series("p50", "p50", line(900, 0), "p50"),
            Series("p95", "p95", line(3100, 0.4), "p95"),
            Series("p99", "p99", line(6100, 0.9), "p99"),
            Series("first", "First token", line(450, 0.2), "first-token"),
        ),
        previous=(Series("p95", "p95", line(2600, 2), "p95"),),
        links=tuple(f"/traces/?at={place}" for place in range(count)),
    )


def counts(key, title, unit="count", kind="bar", count=30, bucket="day", **series):
    """`series`: a role with its figures."""
    return Chart(
        key=key,
        title=title,
        unit=unit,
        kind=kind,
        labels=starts(count, bucket),
        bucket=bucket,
        timezone="America/New_York",
        series=tuple(
            Series(role, role.replace("_", " ").capitalize(), tuple(values), role.replace("_", "-"))
            for role, values in series.items()
        ),
    )


def cache():
    hits = {
        f"cache_{n}": [int(v) for v in wave(30, h, h)]
        for n, h in (("exact", 40), ("semantic", 25), ("llm", 8), ("none", 60))
    }
    return counts("cache", "Cache hits by layer", **hits)


def feedback():
    return counts("feedback", "Thumbs down", "percent", "line", down=wave(30, 7))


def similarity():
    values = [0.35 + v / 60 for v in wave(12, 5)]
    return counts(
        "similarity", "Average similarity", "similarity", "line", 12, "week", similarity=values
    )


def top():
    names = (
        "acme",
        "a-tenant-with-a-very-long-name-indeed-limited",
        "globex",
        "initech",
        "umbrella",
        "hooli",
    )
    return Chart(
        key="top",
        title="Top tenants",
        unit="usd",
        kind="hbar",
        labels=names,
        series=(
            Series(
                "cost",
                "Cost",
                tuple(Decimal(v) for v in ("312.4", "201", "88.1", "12", "3.02", "0.0041")),
                "series-1",
            ),
        ),
        links=tuple(f"/operator/{name}/" for name in names),
        link_words="the tenant",
    )


def long_day():
    return Chart(
        key="long-day",
        title="Questions",
        unit="count",
        kind="bar",
        labels=starts(25, first=LONG_DAY),
        bucket="hour",
        timezone="Europe/Berlin",
        series=(Series("queries", "Questions", tuple(range(25)), "queries"),),
    )


def year():
    return latency(365, "day", "year", gaps=False)


def year_of_bars():
    return counts(
        "bars",
        "Questions and errors",
        count=720,
        bucket="hour",
        queries=[int(v) for v in wave(720, 90)],
        errors=[int(v) for v in wave(720, 9, 1)],
    )


def one_point(kind):
    figures = [None] * 23 + [320.5]
    return counts(f"one-{kind}", "One hour so far", "ms", kind, 24, "hour", p50=figures)


def zeros():
    return counts("zeros", "Errors", count=24, bucket="hour", errors=[0] * 24)


def empty():
    return counts("empty", "Similarity", "similarity", "line", 24, "hour", similarity=[None] * 24)


def failed():
    return cost(key="failed", error="The figures could not be read. Load the page again.")


DASHBOARD = (cost, latency, cache, feedback, similarity, top)
STATES = (
    long_day,
    year,
    year_of_bars,
    lambda: one_point("line"),
    lambda: one_point("bar"),
    zeros,
    empty,
    failed,
)
ALL = (*DASHBOARD, *STATES)

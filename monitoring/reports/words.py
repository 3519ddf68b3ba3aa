"""A report in words: lines for pages, mails and CSV, from the report's JSON, so that what was stored and
what holds now are written the same way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitoring.chart_values import format_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from monitoring.chart_values import Unit

# Smaller changes say nothing.
SLIGHT = 0.005
COMPONENTS = {
    "generation": "Generation",
    "multi_query": "Multi-query",
    "rerank": "Re-ranking",
    "search": "Search",
    "embedding": "Question embedding",
    "shadow": "Checks of cache hits",
    "evaluation": "Evaluations",
    "indexing": "Indexing",
    "lookup": "Searches without an answer",
    "diagnosis": "Diagnoses, documents to write",
}
KINDS = {
    "rated_down": "Rated down",
    "failed": "Failed",
    "least_similar": "Least similar",
    "slowest": "Slowest",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """`worse`: up or down, where one of them is bad; empty where neither is."""

    key: str
    label: str
    unit: Unit
    worse: str = ""


LINES = (
    Kind("total_queries", "Questions", "count"),
    Kind("cache_hit_rate", "From the cache", "percent", "down"),
    Kind("p50_latency_ms", "Latency, p50", "ms", "up"),
    Kind("p99_latency_ms", "Latency, p99", "ms", "up"),
    Kind("avg_similarity", "Average similarity", "similarity", "down"),
    Kind("thumbs_down_rate", "Thumbs down", "percent", "up"),
    Kind("daily_cost", "Cost", "usd", "up"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """`trend`: better, worse or empty."""

    key: str
    label: str
    value: str
    before: str
    change: str
    trend: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure that is another now than when the report was sent."""

    label: str
    sent: str
    now: str


def lines_of(report: Mapping[str, Any]) -> list[Line]:
    return [_line(kind, report) for kind in LINES]


def _line(kind: Kind, report: Mapping[str, Any]) -> Line:
    change = report["extra"]["change"][kind.key]
    words, direction = _change_words(kind, change)
    trend = ""
    if direction and kind.worse:
        trend = "worse" if direction == kind.worse else "better"
    return Line(
        key=kind.key,
        label=kind.label,
        value=written(report[kind.key], kind.unit),
        before=written(change["before"], kind.unit),
        change=words,
        trend=trend,
        detail=_detail(kind.key, report["extra"]),
    )


def written(value: float | None, unit: Unit) -> str:
    """Rates are shares of 1."""
    if value is not None and unit == "percent":
        value *= 100
    return format_value(value, unit)


def _change_words(kind: Kind, change: Mapping[str, Any]) -> tuple[str, str]:
    """With the direction, empty where it hardly changed."""
    difference, relative = change["difference"], change["relative"]
    if difference is None:
        return "", ""
    if relative is not None and kind.unit in ("count", "ms", "usd"):
        is_slight, words = abs(relative) < SLIGHT, f"{relative:+.0%}"
    elif kind.unit == "percent":
        is_slight, words = abs(difference) < SLIGHT, f"{difference * 100:+.1f} points"
    else:
        sign = "+" if difference > 0 else ""
        is_slight, words = abs(difference) < SLIGHT, f"{sign}{format_value(difference, kind.unit)}"
    if is_slight:
        return "as before", ""
    return words, "up" if difference > 0 else "down"


def _detail(key: str, extra: Mapping[str, Any]) -> str:
    ratings = extra["ratings"]["up"] + extra["ratings"]["down"]
    match key:
        case "total_queries" if extra["simulated"]:
            return f"{extra['simulated']:,} of them demo traffic"
        case "thumbs_down_rate" if ratings:
            return f"of {_counted(ratings, 'rating')}"
        case "daily_cost" if extra["unpriced_answers"]:
            return f"and {_counted(extra['unpriced_answers'], 'answer')} of unknown price"
        case _:
            return ""


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def further_lines(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is behind the figures, one label and value each."""
    extra = report["extra"]
    saved, first = extra["saved_usd"], extra["first_token_ms"]
    return [
        ("Failed", _of_all(extra["errors"], extra["error_rate"])),
        ("No answer in the documents", _of_all(extra["abstained"], extra["abstention_rate"])),
        ("Cancelled", f"{extra['cancelled']:,}"),
        ("Something was done without", f"{extra['degraded']:,}"),
        (
            "First text, p50 and p99",
            f"{written(first['p50'], 'ms')}, {written(first['p99'], 'ms')}",
        ),
        ("Cost of 1,000 questions", written(extra["cost_per_1000"], "usd")),
        ("Saved by the cache", written(saved["cache"], "usd")),
        ("Saved by smaller models", written(saved["routing"], "usd")),
        ("Saved by compression", written(saved["compression"], "usd")),
        ("Spent in all, with evaluations and checks of the cache", _spent_in_all(extra)),
    ]


def _spent_in_all(extra: Mapping[str, Any]) -> str:
    unpriced = extra.get("unpriced_calls", 0)  # not in what an older version stored
    return _cost({"cost_usd": extra["spent_usd"], "unpriced": unpriced})


def _of_all(number: int, rate: float | None) -> str:
    return f"{number:,}" if rate is None else f"{number:,} ({written(rate, 'percent')})"


def cost_lines(report: Mapping[str, Any]) -> Iterator[tuple[str, str, str, int]]:
    """By component and by model: of which of the two, name, cost, calls."""
    for each in report["extra"]["cost_by_component"]:
        component = str(each["component"])
        yield "Component", COMPONENTS.get(component, component), _cost(each), each["calls"]
    for each in report["extra"]["cost_by_model"]:
        yield "Model", each["model"], _cost(each), each["calls"]


def _cost(each: Mapping[str, Any]) -> str:
    if each["cost_usd"] is None:
        return "unknown price"
    more = f" + {_counted(each['unpriced'], 'call')} of unknown price" if each["unpriced"] else ""
    return f"{written(each['cost_usd'], 'usd')}{more}"


def differences(sent: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """Ratings and answers that were recorded late change figures of the past."""
    return [
        Difference(
            kind.label, written(sent[kind.key], kind.unit), written(now[kind.key], kind.unit)
        )
        for kind in LINES
        if kind.key in sent and sent[kind.key] != now[kind.key]
    ]


def csv_rows(report: Mapping[str, Any]) -> Iterator[list[object]]:
    """A header and one row for each figure: section, name, value, the day before."""
    extra = report["extra"]
    yield ["section", "name", "value", "day_before", "note"]
    for kind in LINES:
        note = _detail(kind.key, extra)
        yield ["report", kind.key, report[kind.key], extra["change"][kind.key]["before"], note]
    for name in ("errors", "abstained", "cancelled", "degraded", "simulated", "unpriced_answers"):
        yield ["counts", name, extra[name], None, ""]
    for name, value in extra["saved_usd"].items():
        yield ["saved_usd", name, value, None, ""]
    for each in extra["cost_by_component"]:
        yield ["cost_by_component", each["component"], each["cost_usd"], None, _unpriced(each)]
    for each in extra["cost_by_model"]:
        yield ["cost_by_model", each["model"], each["cost_usd"], None, _unpriced(each)]
    for each in extra.get("worst_questions", ()):
        yield ["worst_questions", each["question"], each["kind"], None, each["why"]]
    for each in extra.get("gaps", ()):
        yield ["gaps", each["question"], each["times"], None, ""]
    for each in extra.get("tenants", ()):
        yield ["tenants", each["slug"], each["total_queries"], None, _tenants_cost(each)]


def _tenants_cost(each: Mapping[str, Any]) -> str:
    unpriced = each["unpriced_answers"]
    known = "unknown" if each["daily_cost"] is None else str(each["daily_cost"])
    more = f", and {_counted(unpriced, 'answer')} of unknown price" if unpriced else ""
    return f"cost {known}{more}"


def _unpriced(each: Mapping[str, Any]) -> str:
    return f"{each['unpriced']} calls of unknown price" if each["unpriced"] else ""

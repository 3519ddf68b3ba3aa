"""What is shown of a comparison, on the page and in the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragadmin.templatetags.ui import duration, file_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True)
class Figure:
    key: str
    title: str
    about: str
    show: Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Cell:
    """`width`: of 100, for the bar beside it."""

    text: str
    width: float


@dataclass(frozen=True, slots=True)
class Panel:
    figure: Figure
    counts: list[int]
    rows: list[tuple[str, list[Cell]]]


def _number(value: float) -> str:
    return f"{value:,.0f}"


FIGURES = (
    Figure("search_p50_ms", "Search, median", "Hybrid search in one tenant.", duration),
    Figure("search_p99_ms", "Search, 99th percentile", "One search in a hundred takes longer.", duration),
    Figure("search_ratio", "Search beside a tenant alone", "Asked in turn with one that stays as it is.", "{:.2f}x".format),
    Figure("recall_at_10", "Recall@10", "Of the true ten nearest, the share found.", "{:.3f}".format),
    Figure("storage_bytes", "Storage of the measured tenant", "Rows, TOAST and indexes.", file_size),
    Figure("small_storage_bytes", "Storage of a tiny tenant", "One document of a page.", file_size),
    Figure("catalog_bytes", "Catalog for each tenant", "Rows about its tables, without indexes.", file_size),
    Figure("catalog_rows", "Catalog rows for each tenant", "In pg_class, pg_attribute and such.", _number),
    Figure("create_ms", "Create a tenant", "Median, with its tables.", duration),
    Figure("delete_ms", "Delete a tenant", "Median, counted before and after.", duration),
    Figure("first_search_ms", "First search on a connection", "Of a tenant that it has not met.", duration),
    Figure("backend_bytes", "Kept by a connection", "Memory for each tenant it has met.", file_size),
)  # fmt: skip


def panels(results: Mapping[str, Any]) -> list[Panel]:
    rows = results.get("rows", [])
    counts = sorted({row["tenants"] for row in rows})
    levels = list(dict.fromkeys(row["level"] for row in rows))
    by_place = {(row["level"], row["tenants"]): row for row in rows}
    found = []
    for figure in FIGURES:
        most = max((row.get(figure.key) or 0 for row in rows), default=0)
        lines = [
            (level, [_cell(figure, by_place.get((level, count)), most) for count in counts])
            for level in levels
        ]
        if most:
            found.append(Panel(figure, counts, lines))
    return found


def _cell(figure: Figure, row: Mapping[str, Any] | None, most: float) -> Cell:
    value = row.get(figure.key) if row else None
    if value is None:
        return Cell("–", 0)
    return Cell(figure.show(value), round(100 * value / most, 2) if most else 0)

"""A chart as data: what is drawn, the table behind it, and the words around it.

Nothing here reads or draws. `templates/_chart.html` shows a Chart, `charts.js` draws it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import cycle
from typing import TYPE_CHECKING, Any, Literal

from monitoring.chart_parts import (
    BEFORE,
    Headline,
    LegendEntry,
    Row,
    Series,
    check_slug,
    place_sums,
)
from monitoring.chart_times import (
    BUCKET_WORDS,
    Bucket,
    full_label,
    local_times,
    short_labels,
    tick_levels,
)
from monitoring.chart_values import Axis, Unit, Value, format_value, nice_axis, total

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Chart", "Headline", "Series"]

Kind = Literal["bar", "line", "hbar"]
KIND_WORDS: dict[Kind, str] = {"bar": "Bar chart", "line": "Line chart", "hbar": "Bar chart"}
UNIT_WORDS: dict[Unit, str] = {
    "usd": "USD",
    # Each figure says if it is of milliseconds or of seconds.
    "ms": "Duration",
    "percent": "Percent",
    "count": "Count",
    "similarity": "From 0 to 1",
}
# In the header of a CSV file.
UNIT_SIGNS: dict[Unit, str] = {
    "usd": "USD",
    "ms": "ms",
    "percent": "%",
    "count": "count",
    "similarity": "0 to 1",
}
ADDITIVE: tuple[Unit, ...] = ("usd", "count")
# Lines are told apart by these as well as by colour.
DASHES = ((), (7, 4), (2, 3), (8, 3, 2, 3), (12, 4))
# Chart.js' names of the markers, and the same shapes for the legend.
POINTS = {
    "circle": "M10 2a3 3 0 1 0 .01 0z",
    "rect": "M7 2h6v6h-6z",
    "triangle": "M10 1.5l3.5 6h-7z",
    "rectRot": "M10 1.2l3.8 3.8-3.8 3.8-3.8-3.8z",
    "star": "M10 1v8M6.5 3l7 4M13.5 3l-7 4",
}
DASHES_BEFORE = (3, 3)


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Figures over buckets of time, or over names (`bucket` None, `kind` "hbar").

    Percentages run to 100 and similarity to 1. `labels` are the aware starts of the buckets, or
    names; `links` one address for each, or none at all. `previous` is the period before, bucket by
    bucket. `names_series`: the legend is shown for one series too. Raises ValueError where lengths
    or names do not fit.
    """

    key: str
    title: str
    unit: Unit
    kind: Kind
    labels: tuple[datetime | str, ...]
    series: tuple[Series, ...]
    bucket: Bucket | None = None
    timezone: str = "UTC"
    links: tuple[str, ...] = ()
    link_words: str = "the traces"
    previous: tuple[Series, ...] = ()
    headline: Headline | None = None
    note: str = ""
    names_series: bool = False
    csv_url: str = ""
    empty_text: str = "Nothing was measured in this period."
    error: str = ""

    def __post_init__(self) -> None:
        check_slug(self.key)
        for one in self.series:
            if len(one.values) != len(self.labels):
                raise ValueError(f"{self.key}: {one.key} has not one figure for each label.")
        if self.links and len(self.links) != len(self.labels):
            raise ValueError(f"{self.key}: there is not one link for each label.")

    # What it holds

    @property
    def is_empty(self) -> bool:
        return all(one.is_empty for one in self.series)

    @property
    def has_one_point(self) -> bool:
        return sum(one is not None for one in place_sums(self.series)) == 1

    @property
    def is_additive(self) -> bool:
        """If the sum over time means something."""
        return self.unit in ADDITIVE and self.kind != "hbar"

    @property
    def total(self) -> Value:
        """Of all series over the whole period. None if it means nothing or nothing is known."""
        return total(one.total for one in self.series) if self.is_additive else None

    @cached_property
    def before(self) -> tuple[Series, ...]:
        """The period before as it is drawn: above stacked bars it is one line of their sums."""
        fitted = tuple(one.fitted(len(self.labels)) for one in self.previous if not one.is_empty)
        if self.kind != "bar" or not fitted:
            return fitted
        return (Series("before", BEFORE.capitalize(), place_sums(fitted), "previous"),)

    # Words

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the buckets, in full."""
        if not self.bucket:
            return tuple(map(str, self.labels))
        return tuple(full_label(local, self.bucket) for local in self._local)

    @property
    def unit_line(self) -> str:
        unit = UNIT_WORDS[self.unit]
        if not self.bucket:
            return unit
        per = BUCKET_WORDS[self.bucket]
        if self.unit == "count":
            return f"Per {per}, {self.timezone}"
        return f"{unit}{' per' if self.is_additive else ', by'} {per}, {self.timezone}"

    @cached_property
    def figure(self) -> Headline | None:
        """What stands above the chart. None where no one figure stands for it."""
        if self.headline or self.is_empty or self.kind == "hbar":
            return self.headline
        if self.is_additive:
            before = total(one.total for one in self.previous)
            return Headline(self.total, "in total", before)
        first = self.series[0]
        if first.latest is None:
            return None
        name = f"{first.label}, " if len(self.series) > 1 else ""
        return Headline(first.values[first.latest], f"{name}latest: {self.names[first.latest]}")

    @property
    def headline_text(self) -> str:
        return format_value(self.figure.value, self.unit) if self.figure else ""

    @property
    def change(self) -> str:
        return self.figure.change(self.unit) if self.figure else ""

    @property
    def one_point_note(self) -> str:
        if not (self.kind == "line" and self.has_one_point and self.bucket):
            return ""
        words = BUCKET_WORDS[self.bucket].replace("5 minutes", "stretch of 5 minutes")
        return f"Only one {words} has figures so far, so there is no trend yet."

    @property
    def description(self) -> str:
        """For those who cannot see the picture."""
        parts = [f"{KIND_WORDS[self.kind]}: {self.title}, {self.unit_line}."]
        if self.bucket and self.names:
            parts.append(f"From {self.names[0]} to {self.names[-1]}.")
        if self.figure:
            parts.append(f"{self.headline_text} {self.figure.label}.")
        return " ".join([*parts, "The table below has every figure."])

    @cached_property
    def legend(self) -> tuple[LegendEntry, ...]:
        """In the order of what is drawn. Shown where there is more than one thing to tell apart."""
        is_line = self.kind == "line"
        now = [
            LegendEntry(
                one.label, self._in_short(one), one.role, is_line, False, _svg(dash), POINTS[point]
            )
            for one, dash, point in _styled(self.series)
        ]
        is_line = self.kind != "hbar"
        before = [
            LegendEntry(one.label, "", one.role, is_line, self.kind != "bar", _svg(DASHES_BEFORE))
            for one in self.before
        ]
        return (*now, *before)

    @property
    def has_legend(self) -> bool:
        return self.names_series or len(self.legend) > 1

    def _in_short(self, one: Series) -> str:
        if self.kind == "hbar" or len(self.series) < 2 or one.latest is None:
            return ""
        value = one.total if self.is_additive else one.values[one.latest]
        return format_value(value, self.unit)

    # The picture

    @cached_property
    def axis(self) -> Axis:
        heights = [value for one in (*self.series, *self.before) for value in one.values]
        if self.kind != "line":
            heights += place_sums(self.series)
        known = [value for value in heights if value is not None]
        return nice_axis(min(known, default=None), max(known, default=None), self.unit)

    @cached_property
    def _local(self) -> list[datetime]:
        return local_times([at for at in self.labels if isinstance(at, datetime)], self.timezone)

    def as_config(self) -> dict[str, Any]:
        """What charts.js draws. The words and addresses of the bars are those of the table."""
        bucket = self.bucket
        return {
            "kind": self.kind,
            "labels": short_labels(self._local, bucket) if bucket else self.names,
            "levels": tick_levels(self._local, bucket) if bucket else (),
            "axis": {"low": self.axis.low, "high": self.axis.high, "ticks": self.axis.ticks},
            "series": [
                _drawn(one) | {"dash": dash, "point": point}
                for one, dash, point in _styled(self.series)
            ],
            "before": [_drawn(one) | {"dash": DASHES_BEFORE} for one in self.before],
            "has_total": self._has_total,
            "link_words": self.link_words,
        }

    # The table

    @property
    def _has_total(self) -> bool:
        return self.kind == "bar" and self.is_additive and len(self.series) > 1

    @cached_property
    def _columns(self) -> list[tuple[str, tuple[Value, ...]]]:
        columns = [(one.label, one.values) for one in self.series]
        if self._has_total:
            columns.append(("Total", place_sums(self.series)))
        return columns + [(one.label, one.values) for one in self.before]

    def header(self) -> tuple[str, ...]:
        first = f"Start ({self.timezone})" if self.bucket else "Name"
        return (first, *(label for label, _ in self._columns))

    def rows(self) -> list[Row]:
        """One for each bucket, in the order of the chart."""
        links = self.links or ("",) * len(self.labels)
        figures = [[format_value(v, self.unit) for v in values] for _, values in self._columns]
        cells = zip(*figures, strict=True)
        return [Row(*row) for row in zip(self.names, links, cells, strict=True)]

    def footer(self) -> tuple[str, ...]:
        """The sums of the columns, where sums mean something and there is more than one row."""
        if not self.is_additive or len(self.labels) < 2:
            return ()
        return tuple(format_value(total(values), self.unit) for _, values in self._columns)

    def csv_rows(self) -> list[list[object]]:
        """The figures of the table unrounded, times in ISO 8601 with their offset; a header first."""
        first, *others = self.header()
        header: list[object] = [first, *(f"{label} ({UNIT_SIGNS[self.unit]})" for label in others)]
        starts = [local.isoformat() for local in self._local] if self.bucket else self.names
        columns = (values for _, values in self._columns)
        return [header, *([*row] for row in zip(starts, *columns, strict=True))]


def _svg(dash: tuple[int, ...]) -> str:
    return " ".join(map(str, dash))


def _styled(several: tuple[Series, ...]) -> Iterable[tuple[Series, tuple[int, ...], str]]:
    """Each with its dashes and the name of its marker."""
    return zip(several, cycle(DASHES), cycle(POINTS), strict=False)


def _drawn(one: Series) -> dict[str, Any]:
    values = [None if value is None else float(value) for value in one.values]
    return {"label": one.label, "values": values}

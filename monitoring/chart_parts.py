"""What a chart is made of: its series, the figure above it, a row of its table."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitoring.chart_values import Unit, Value, exact, format_value, total

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

BEFORE = "period before"
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def check_slug(text: str) -> None:
    """Raises ValueError unless it can be part of an id."""
    if not SLUG.fullmatch(text):
        raise ValueError(f"{text!r} is not a name of small letters, digits and hyphens.")


@dataclass(frozen=True, slots=True)
class Series:
    """One figure for each bucket, None where nothing was measured; `role` names its colour."""

    key: str
    label: str
    values: tuple[Value, ...]
    role: str

    def __post_init__(self) -> None:
        check_slug(self.role)
        if any(value is not None and not math.isfinite(value) for value in self.values):
            raise ValueError(f"{self.key}: a figure that is not finite has to be None.")

    @property
    def is_empty(self) -> bool:
        return all(value is None for value in self.values)

    @property
    def total(self) -> Decimal | None:
        return total(self.values)

    @property
    def latest(self) -> int | None:
        """The place of the last figure that is known."""
        known = [place for place, value in enumerate(self.values) if value is not None]
        return known[-1] if known else None

    def fitted(self, length: int) -> Series:
        """Cut, or filled with None: a period with a change of clocks has an hour more or less."""
        values = (self.values + (None,) * length)[:length]
        return Series(f"{self.key}-before", f"{self.label}, {BEFORE}", values, self.role)


@dataclass(frozen=True, slots=True)
class Headline:
    """The figure above a chart, what it is, and the same for the period before."""

    value: Value
    label: str
    before: Value = None

    def change(self, unit: Unit) -> str:
        """Against the period before, in words."""
        if self.value is None or self.before is None:
            return ""
        now, before = exact(self.value), exact(self.before)
        if now == before:
            return f"as in the {BEFORE}"
        if before <= 0:
            return f"{format_value(before, unit)} in the {BEFORE}"
        percent = abs(now - before) / before * 100
        shown = format_value(percent, "percent") if percent < 10 else f"{percent:,.0f} %"
        return f"{shown} {'more' if now > before else 'less'} than in the {BEFORE}"


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """One thing to tell apart. `dash` and `point` as SVG writes them, "" for none."""

    label: str
    value: str
    role: str
    is_line: bool
    is_faint: bool = False
    dash: str = ""
    point: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Of the table: a bucket's name, the address behind it or "", and its figures as written."""

    label: str
    href: str
    cells: tuple[str, ...]


def place_sums(several: Sequence[Series]) -> tuple[Decimal | None, ...]:
    """Of all series, bucket by bucket."""
    return tuple(map(total, zip(*(one.values for one in several), strict=True)))

"""How the figures of a chart are written, and the axis they are drawn on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Unit = Literal["usd", "ms", "percent", "count", "similarity"]
Value = Decimal | float | None
UNKNOWN = "–"
SECONDS_FROM_MS = 10_000
# What the axis reaches where every figure is zero.
EMPTY_REACH: dict[Unit, str] = {
    "usd": "0.01",
    "ms": "10",
    "percent": "10",
    "count": "4",
    "similarity": "1",
}
STEPS = tuple(map(Decimal, ("1", "2", "2.5", "5", "10")))
WHOLE_STEPS = tuple(map(Decimal, ("1", "2", "5", "10")))


@dataclass(frozen=True, slots=True)
class Axis:
    """From `low` to `high`, which are ticks themselves; each tick with its label."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]


def exact(value: Decimal | float) -> Decimal:
    """The decimal that is shown for a float, not its binary neighbour."""
    return value if isinstance(value, Decimal) else Decimal(str(value))


def total(values: Iterable[Value]) -> Decimal | None:
    """The sum of what is known; None if nothing is."""
    known = [exact(value) for value in values if value is not None]
    return sum(known, Decimal()) if known else None


def format_value(value: Value, unit: Unit) -> str:
    """With its unit. Money below a dollar keeps three significant digits."""
    if value is None:
        return UNKNOWN
    number = exact(value)
    sign, size = ("-" if number < 0 else ""), abs(number)
    match unit:
        case "usd":
            return sign + _usd(size)
        case "ms":
            return sign + _milliseconds(size)
        case "percent":
            return f"{sign}{_short(size, 1 if size >= 1 else 2)} %"
        case "count":
            return f"{sign}{_short(size, 1)}"
        case "similarity":
            return f"{sign}{size:.3f}"


def _usd(size: Decimal) -> str:
    if size == 0:
        return "$0"
    if size >= 1:
        return f"${size:,.2f}"
    whole, _, fraction = f"{size:.{2 - size.adjusted()}f}".partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"


def _milliseconds(size: Decimal) -> str:
    if size >= SECONDS_FROM_MS:
        return f"{size / 1000:,.1f} s"
    return f"{_short(size, 1)} ms" if size < 10 else f"{size:,.0f} ms"


def _short(size: Decimal, decimals: int) -> str:
    """Rounded, without zeros that say nothing."""
    text = f"{size:,.{decimals}f}"
    return text.rstrip("0").rstrip(".")


def nice_axis(low: Value, high: Value, unit: Unit, *, intervals: int = 5) -> Axis:
    """From zero, or from below it where a figure is negative, in steps that read well."""
    bottom = min(exact(low or 0), Decimal())
    top = max(exact(high or 0), Decimal())
    if top == bottom:
        top = Decimal(EMPTY_REACH[unit])
    step = _nice_step((top - bottom) / intervals, whole=unit == "count")
    first, last = math.floor(bottom / step), math.ceil(top / step)
    values = [step * number for number in range(first, last + 1)]
    labels = _tick_labels(values, step, unit)
    ticks = tuple((float(value), label) for value, label in zip(values, labels, strict=True))
    return Axis(ticks[0][0], ticks[-1][0], ticks)


def _nice_step(rough: Decimal, *, whole: bool) -> Decimal:
    if whole and rough <= 1:
        return Decimal(1)
    power = Decimal(1).scaleb(rough.adjusted())
    steps = WHOLE_STEPS if whole else STEPS
    return next(step * power for step in steps if step * power >= rough)


def _tick_labels(values: list[Decimal], step: Decimal, unit: Unit) -> list[str]:
    """All with as many decimals as the step has; large ones in thousands or millions."""
    scale, suffix = _scale_of(max(map(abs, values)), unit)
    exponent = (step / scale).normalize().as_tuple().exponent
    decimals = max(0, -exponent) if isinstance(exponent, int) else 0
    if unit == "usd" and decimals:
        decimals = max(2, decimals)
    sizes = [f"{abs(value) / scale:,.{decimals}f}" if value else "0" for value in values]
    prefix = "$" if unit == "usd" else ""
    return [
        ("-" if value < 0 else "") + prefix + size + (suffix if value else "")
        for value, size in zip(values, sizes, strict=True)
    ]


def _scale_of(reach: Decimal, unit: Unit) -> tuple[int, str]:
    if unit == "ms":
        return (1000, " s") if reach >= SECONDS_FROM_MS else (1, " ms")
    if unit == "percent":
        return 1, " %"
    if reach >= 1_000_000:
        return 1_000_000, "M"
    return (1000, "k") if reach >= 10_000 else (1, "")

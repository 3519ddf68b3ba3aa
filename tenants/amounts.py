"""Amounts of US dollars as people and programs send them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from ragadmin.errors import InvalidRequest

# What the columns keep: a millionth of a dollar.
SMALLEST = Decimal("0.000001")


def clean_amount(value: Any, field: str, *, least: Decimal, most: Decimal) -> Decimal:
    """With six decimal places. Raises InvalidRequest that names the field."""
    wrong = InvalidRequest(
        f"{field} is an amount of US dollars from {least:f} to {most:,f}, with at most six "
        "decimal places.",
        extra={"field": field},
    )
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise wrong
    try:
        # Of a float the digits that it shows, not the binary fraction that it is.
        amount = Decimal(str(value).strip())
        if not amount.is_finite() or not least <= amount <= most:
            raise wrong
        rounded = amount.quantize(SMALLEST)
    except InvalidOperation:
        raise wrong from None
    if rounded != amount:
        raise wrong
    return rounded

"""What is spent of a budget in its present day or month, for the hot path and the console alike.

Days and months are those of the tenant's time zone, and begin at its midnight, whatever hour the
clocks are changed at.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAY, MONTH = "day", "month"
ADJECTIVES = {DAY: "daily", MONTH: "monthly"}
# Share of a budget that is spent or reserved, and how questions are answered from there on.
SMALL_MODEL, FEWER_PASSAGES, NO_MODEL = "small_model", "fewer_passages", "no_model"
LADDER = (
    (Decimal("0.95"), NO_MODEL),
    (Decimal("0.85"), FEWER_PASSAGES),
    (Decimal("0.70"), SMALL_MODEL),
)
STEP_WORDS = {
    "": "answers are not restricted",
    SMALL_MODEL: "the small model answers",
    FEWER_PASSAGES: "the small model answers, from fewer passages",
    NO_MODEL: "answers come from the cache or are quoted from the documents",
}
# Reservations that lapsed are not counted, whether or not somebody has given them back yet.
FIGURES = """
SELECT b.id, b.api_key_id, b.period, b.amount_usd, coalesce(k.name, '') AS key_name,
    coalesce(p.spent_usd, 0) AS spent_usd,
    coalesce(p.reserved_usd, 0) - coalesce((
        SELECT sum(r.amount_usd) FROM public.tenants_budgetreservation r
        WHERE r.period_id = p.id AND r.expires_at <= now()), 0) AS reserved_usd
FROM public.tenants_budget b
LEFT JOIN public.tenants_apikey k ON k.id = b.api_key_id
LEFT JOIN public.tenants_budgetperiod p ON p.budget_id = b.id AND p.starts_on =
    CASE b.period WHEN 'day' THEN %(day)s ELSE %(month)s END
WHERE b.tenant_id = %(tenant_id)s AND k.revoked_at IS NULL
    AND (%(every_key)s OR b.api_key_id IS NULL OR b.api_key_id = %(api_key_id)s)
ORDER BY b.api_key_id NULLS FIRST, b.period
"""


@dataclass(frozen=True, slots=True)
class Today:
    """The day and the month that it is somewhere: the first date of each."""

    zone: str
    day: date

    @property
    def month(self) -> date:
        return self.day.replace(day=1)

    def resets_at(self, period: str) -> datetime:
        """When the next period begins, in the zone's own time."""
        day = self.day + timedelta(days=1)
        if period == MONTH:
            day = (self.month + timedelta(days=32)).replace(day=1)
        zone = ZoneInfo(self.zone)
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
        # There and back, because clocks may be put forward at midnight: then it is one o'clock.
        return midnight.astimezone(UTC).astimezone(zone)


def today_in(zone: str, now: datetime | None = None) -> Today:
    """Of a zone that this machine does not know, in UTC."""
    at = now or datetime.now(UTC)
    try:
        return Today(zone, at.astimezone(ZoneInfo(zone)).date())
    except (ZoneInfoNotFoundError, ValueError):
        return Today("UTC", at.astimezone(UTC).date())


@dataclass(frozen=True, slots=True)
class BudgetFigure:
    """US dollars. `api_key_id` None: of the whole tenant."""

    id: int
    api_key_id: str | None
    key_name: str
    period: str
    amount_usd: Decimal
    spent_usd: Decimal
    reserved_usd: Decimal
    today: Today

    @property
    def share(self) -> Decimal:
        """Of the amount that is spent or reserved; 1 where there is nothing to spend."""
        if not self.amount_usd:
            return Decimal(1)
        return (self.spent_usd + self.reserved_usd) / self.amount_usd

    @property
    def is_spent(self) -> bool:
        return self.spent_usd >= self.amount_usd

    @property
    def step(self) -> str:
        return next((step for least, step in LADDER if self.share >= least), "")

    @property
    def left_usd(self) -> Decimal:
        return max(self.amount_usd - self.spent_usd - self.reserved_usd, Decimal(0))

    @property
    def resets_at(self) -> datetime:
        return self.today.resets_at(self.period)

    @property
    def name(self) -> str:
        owner = f'the key "{self.key_name}"' if self.api_key_id else "the tenant"
        return f"{owner}'s {ADJECTIVES[self.period]} budget"

    @property
    def described(self) -> str:
        """One line for whoever asks why answers are as they are."""
        percent = math.floor(self.share * 100)
        words = f"{percent} % of {self.name} of {money(self.amount_usd)} is used"
        return f"{words}: {STEP_WORDS[self.step]}" if self.step else words

    @property
    def reset_words(self) -> str:
        at = self.resets_at
        return f"{at.day} {at:%B %Y, %H:%M} ({self.today.zone})"

    def as_json(self) -> dict[str, Any]:
        return {
            "scope": "key" if self.api_key_id else "tenant",
            "api_key": self.api_key_id,
            "key_name": self.key_name,
            "period": self.period,
            "amount_usd": float(self.amount_usd),
            "spent_usd": float(self.spent_usd),
            "reserved_usd": float(self.reserved_usd),
            "share": round(float(self.share), 4),
            "step": "stop" if self.is_spent else self.step,
            "resets_at": self.resets_at.isoformat(),
        }


def figures_values(
    tenant_id: int, today: Today, api_key_id: str | None = None, *, every_key: bool = False
) -> dict[str, Any]:
    """The parameters of FIGURES."""
    return {
        "tenant_id": tenant_id,
        "api_key_id": api_key_id,
        "every_key": every_key,
        "day": today.day,
        "month": today.month,
    }


def figure_of(row: dict[str, Any], today: Today) -> BudgetFigure:
    key = row["api_key_id"]
    return BudgetFigure(
        id=row["id"],
        api_key_id=str(key) if key else None,
        key_name=row["key_name"],
        period=row["period"],
        amount_usd=row["amount_usd"],
        spent_usd=row["spent_usd"],
        reserved_usd=row["reserved_usd"],
        today=today,
    )


def money(amount: Decimal) -> str:
    """Below a cent with two significant digits, since an answer costs far less."""
    if not amount or abs(amount) >= Decimal("0.01"):
        return f"${amount:,.2f}"
    digits = 1 - int(f"{amount:e}".partition("e")[2])
    return f"${amount:.{digits}f}"

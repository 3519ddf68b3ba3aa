"""Budgets as pages show them: a bar with its marks, what happens at each, when it begins anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenants.budget_figures import LADDER, STEP_WORDS, today_in
from tenants.budgets import budget_figures
from tenants.models import ApiKey

if TYPE_CHECKING:
    from tenants.budget_figures import BudgetFigure
    from tenants.models import Tenant

PERIODS = ("day", "month")
# Share in percent, and what happens from there on.
LADDER_ROWS = [
    *((f"{least * 100:.0f} %", STEP_WORDS[step]) for least, step in reversed(LADDER)),
    ("100 %", "nothing is answered until it begins anew"),
]


@dataclass(frozen=True, slots=True)
class Bar:
    """A budget in its present day or month. Widths are percent of the bar."""

    figure: BudgetFigure

    @property
    def spent_width(self) -> str:
        return f"{self._percent(self.figure.spent_usd):.2f}"

    @property
    def reserved_width(self) -> str:
        room = 100 - self._percent(self.figure.spent_usd)
        return f"{min(self._percent(self.figure.reserved_usd), room):.2f}"

    @property
    def percent(self) -> int:
        return int(self.figure.share * 100)

    @property
    def step(self) -> str:
        """Empty, or what the budget does to answers now."""
        return "stop" if self.figure.is_spent else self.figure.step

    @property
    def step_words(self) -> str:
        return LADDER_ROWS[-1][1] if self.figure.is_spent else STEP_WORDS[self.figure.step]

    def _percent(self, part: Any) -> float:
        whole = self.figure.amount_usd
        return min(float(part / whole) * 100, 100.0) if whole else 100.0


@dataclass(frozen=True, slots=True)
class Spender:
    """The tenant, or one of its keys (`key`). `bars`: of its day and its month, where there is one."""

    key: ApiKey | None
    questions_per_minute: int | None
    bars: dict[str, Bar]

    @property
    def has_budget(self) -> bool:
        return bool(self.bars)

    @property
    def values(self) -> dict[str, Any]:
        """As the form of limits takes them."""
        amounts = {
            period: f"{bar.figure.amount_usd.normalize():f}" for period, bar in self.bars.items()
        }
        return {**amounts, "questions_per_minute": self.questions_per_minute}


def find_spenders(tenant: Tenant) -> list[Spender]:
    """The tenant first, then its live keys by name."""
    bars: dict[str | None, dict[str, Bar]] = {}
    for figure in budget_figures(tenant):
        bars.setdefault(figure.api_key_id, {})[figure.period] = Bar(figure)
    keys = ApiKey.objects.filter(tenant=tenant, revoked_at=None).order_by("name", "created_at")
    return [
        Spender(None, tenant.questions_per_minute, bars.get(None, {})),
        *(Spender(key, key.questions_per_minute, bars.get(str(key.pk), {})) for key in keys),
    ]


def resets(tenant: Tenant) -> dict[str, str]:
    """When the present day and month end, in the tenant's own time."""
    today = today_in(tenant.timezone)
    moments = {period: today.resets_at(period) for period in PERIODS}
    return {period: f"{at.day} {at:%B %Y, %H:%M}" for period, at in moments.items()}

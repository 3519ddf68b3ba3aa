"""What may still be spent: reserved before a paid call, settled with the trace.

A budget is used step by step: from 70 % on the small model answers, from 85 % from fewer passages,
from 95 % no model is asked, and when all is spent nothing is answered. Between those steps it is the
reservation that keeps the amount: it is refused where the amount would be passed.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import structlog

from ragadmin.errors import BudgetExceeded, RagadminError
from retrieval.providers.per_loop import PerLoop
from retrieval.query import budget_rows, reserving
from retrieval.query.budget_rows import Account, Asked
from tenants.budget_figures import money, today_in
from tenants.pool import public_connection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.types import ModelCall
    from tenants.budget_figures import BudgetFigure
    from tenants.config import Caller
    from tenants.pool import Connection

    Figures = tuple[BudgetFigure, ...]

log = structlog.get_logger("ragadmin.budget")

# A process that ends without settling has its reservations given back after this.
LEASE_SECONDS = 600.0
# The step may be so much older than the reservations, which always see what is true.
KEPT_SECONDS = 1.0
MOST_KEPT = 10_000
PRICE_UNKNOWN = "A budget is in force, and no price is known of this model: the operator can set one under Prices."
RAISED_BY_ADMIN = "An admin of the tenant can raise it in the settings."
RAISED_BY_OPERATOR = "The operator of this installation can raise it."
BUSY = "The budget's figures are locked by somebody else: try again in a few seconds."


@dataclass(slots=True)
class Kept:
    figures: asyncio.Future[Figures]
    at: float


_kept: PerLoop[dict[Account, Kept]] = PerLoop(dict)


@dataclass(slots=True)
class Purse:
    """What one answer may spend. `step`: "", small_model, fewer_passages or no_model."""

    step: str = ""
    # For people: what was used of the budget that decided the step, or why no more may be spent.
    # Empty without budgets.
    described: str = ""
    # Why the last reservation was refused.
    refusal: str = ""
    account: Account | None = None
    # Whether there were budgets when the purse was opened.
    is_limited: bool = False
    lease_seconds: float = LEASE_SECONDS
    # The answers that reservations were asked for, and `described` as the purse was opened.
    _answers: set[str] = field(default_factory=set[str])
    _opened: str = ""

    def __post_init__(self) -> None:
        self._opened = self.described

    async def reserve(self, answer_id: str, amount: Decimal | None) -> bool:
        """Whether so much more may be spent, in US dollars. None: the price is not known.

        Raises Unavailable.
        """
        if self.account is None or not self.is_limited or amount == 0:
            return True
        if amount is None:
            return self._decide(PRICE_UNKNOWN)
        self._answers.add(answer_id)
        asked = Asked(answer_id, amount, self.lease_seconds)
        fits, figures = await reserving.reserve(self.account, asked)
        if fits is None:
            return self._decide(BUSY)
        _keep(self.account, figures)
        return self._decide("" if fits else _refusal(figures, amount))

    def _decide(self, refusal: str) -> bool:
        self.refusal, self.described = refusal, refusal or self._opened
        return not refusal

    async def settle(
        self, connection: Connection, answer_id: str, calls: Sequence[ModelCall]
    ) -> None:
        """Books what was spent and gives the rest back, in the transaction of the trace.

        What has no known price is booked as nothing. A budget that was made meanwhile counts too.
        """
        if self.account is None or not self.has_to_settle(answer_id, calls):
            return
        await budget_rows.settle(connection, self.account, answer_id, _sum(calls))
        self._answers.discard(answer_id)

    def has_to_settle(self, answer_id: str, calls: Sequence[ModelCall]) -> bool:
        return self.account is not None and bool(_sum(calls) or answer_id in self._answers)

    async def give_back(self) -> None:
        """Everything, where nothing was stored. Never fails: what cannot be given back now lapses."""
        for answer_id in list(self._answers):
            try:
                async with public_connection() as connection:
                    await self.settle(connection, answer_id, ())
            except RagadminError as error:
                log.warning("reservation_not_given_back", reason=error.message)


def _sum(calls: Sequence[ModelCall]) -> Decimal:
    return sum((call.cost_usd or Decimal(0) for call in calls), Decimal(0))


async def open_purse(caller: Caller, *, lease_seconds: float = LEASE_SECONDS) -> Purse:
    """Without budgets this asks nobody. Raises BudgetExceeded, Unavailable."""
    account = _account(caller)
    if not caller.budgets:
        return Purse(account=account)
    figures = await _figures(account)
    if spent := [figure for figure in figures if figure.is_spent]:
        raise exceeded(max(spent, key=lambda figure: figure.resets_at))
    tightest = max(figures, key=lambda figure: figure.share, default=None)
    return Purse(
        step=tightest.step if tightest else "",
        described=tightest.described if tightest else "",
        account=account,
        is_limited=True,
        lease_seconds=lease_seconds,
    )


def plain_purse(caller: Caller) -> Purse:
    """Without a look at what is used: only what is reserved from it is refused where there is no room."""
    return Purse(account=_account(caller), is_limited=bool(caller.budgets))


def _account(caller: Caller) -> Account:
    tenant = caller.tenant
    return Account(tenant.id, caller.api_key_id, today_in(tenant.timezone))


def exceeded(figure: BudgetFigure) -> BudgetExceeded:
    wait = math.ceil((figure.resets_at - datetime.now(UTC)).total_seconds())
    raised_by = RAISED_BY_ADMIN if figure.api_key_id else RAISED_BY_OPERATOR
    return BudgetExceeded(
        f"{_capitalised(figure.name)} of {money(figure.amount_usd)} is spent "
        f"({money(figure.spent_usd)}): it begins anew on {figure.reset_words}. {raised_by}",
        extra={"budget": figure.as_json(), "retry_after_seconds": max(wait, 1)},
    )


def _refusal(figures: Figures, amount: Decimal) -> str:
    tightest = min(figures, key=lambda figure: figure.left_usd)
    return (
        f"{_capitalised(tightest.name)} of {money(tightest.amount_usd)} has "
        f"{money(tightest.left_usd)} left, and this may cost {money(amount)}: "
        f"it begins anew on {tightest.reset_words}."
    )


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


async def _figures(account: Account) -> Figures:
    """At most KEPT_SECONDS old; those who ask at once share one query."""
    kept = _kept.get()
    found = kept.get(account)
    if found is None or time.monotonic() - found.at >= KEPT_SECONDS:
        found = _put(account, asyncio.ensure_future(_read(account)))
    try:
        return await asyncio.shield(found.figures)
    except Exception:
        kept.pop(account, None)
        raise


async def _read(account: Account) -> Figures:
    async with public_connection() as connection:
        return await budget_rows.read_figures(connection, account)


def _keep(account: Account, figures: Figures) -> None:
    known: asyncio.Future[Figures] = asyncio.get_running_loop().create_future()
    known.set_result(figures)
    _put(account, known)


def _put(account: Account, figures: asyncio.Future[Figures]) -> Kept:
    kept = _kept.get()
    if len(kept) >= MOST_KEPT:
        kept.clear()
    kept[account] = Kept(figures, time.monotonic())
    return kept[account]

"""The rows of budgets as the hot path changes them: each change one round trip and one transaction.

Whoever changes a period's row locks all that apply first, in the order of their ids, and holds none
of them while it waits for anything else. Statements that are sent together share a transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import TYPE_CHECKING, Any, LiteralString

from psycopg import sql
from psycopg.errors import LockNotAvailable

from tenants.budget_figures import FIGURES, BudgetFigure, Today, figure_of, figures_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenants.pool import Connection

SMALLEST = Decimal("1e-9")  # of a dollar: what the columns keep
LOCK_SECONDS = 5

APPLY = """
    FROM public.tenants_budget b LEFT JOIN public.tenants_apikey k ON k.id = b.api_key_id
    JOIN public.tenants_budgetperiod p ON p.budget_id = b.id
        AND p.starts_on = CASE b.period WHEN 'day' THEN {day} ELSE {month} END
    WHERE b.tenant_id = {tenant_id} AND (b.api_key_id IS NULL OR b.api_key_id = {api_key_id})
"""
BEGIN_PERIODS = """
INSERT INTO public.tenants_budgetperiod (budget_id, starts_on)
SELECT b.id, CASE b.period WHEN 'day' THEN {day} ELSE {month} END FROM public.tenants_budget b
WHERE b.tenant_id = {tenant_id} AND (b.api_key_id IS NULL OR b.api_key_id = {api_key_id})
    AND NOT EXISTS (SELECT 1 FROM public.tenants_budgetperiod p WHERE p.budget_id = b.id
        AND p.starts_on = CASE b.period WHEN 'day' THEN {day} ELSE {month} END)
ORDER BY b.id FOR KEY SHARE
ON CONFLICT DO NOTHING;
"""
LOCK = "SELECT 1" + APPLY + " ORDER BY p.id FOR UPDATE OF p;"
# After LOCK nobody else changes these rows, so what is read here is what is changed. Each reservation
# counts in every budget that applies, so there is one room for all: that of the tightest. They are
# taken in the order in which they were asked for; one that does not fit leaves room for a smaller one.
RESERVE = (
    "SET LOCAL lock_timeout = {lock_timeout};"  # noqa: S608 - of constants
    + BEGIN_PERIODS
    + LOCK
    + "WITH RECURSIVE mine AS (SELECT b.id, b.api_key_id, b.period, b.amount_usd,"
    " coalesce(k.name, '') AS key_name, p.id AS period_id, p.spent_usd, p.reserved_usd"
    + APPLY
    + """),
asked (place, answer_id, amount_usd, lease_seconds) AS (VALUES {asked}),
lapsed AS (
    DELETE FROM public.tenants_budgetreservation r USING mine
    WHERE r.period_id = mine.period_id AND r.expires_at <= now()
    RETURNING r.period_id, r.amount_usd),
known AS (
    SELECT mine.*, mine.reserved_usd - coalesce((SELECT sum(lapsed.amount_usd) FROM lapsed
        WHERE lapsed.period_id = mine.period_id), 0) AS still_reserved FROM mine),
room AS (SELECT coalesce(min(amount_usd - spent_usd - still_reserved), 'Infinity') AS usd FROM known),
walk (place, taken, fits) AS (
    SELECT 0, 0::numeric, false
    UNION ALL
    SELECT asked.place,
        walk.taken + CASE WHEN walk.taken + asked.amount_usd <= room.usd THEN asked.amount_usd ELSE 0 END,
        walk.taken + asked.amount_usd <= room.usd
    FROM walk JOIN asked ON asked.place = walk.place + 1 CROSS JOIN room),
made AS (
    INSERT INTO public.tenants_budgetreservation (id, period_id, answer_id, amount_usd, expires_at)
    SELECT gen_random_uuid(), known.period_id, asked.answer_id, asked.amount_usd,
        now() + make_interval(secs => asked.lease_seconds)
    FROM known, asked JOIN walk ON walk.place = asked.place AND walk.fits),
changed AS (
    UPDATE public.tenants_budgetperiod p
    SET reserved_usd = known.still_reserved + (SELECT max(taken) FROM walk)
    FROM known WHERE p.id = known.period_id)
SELECT (SELECT array_agg(walk.fits ORDER BY walk.place) FROM walk WHERE walk.place > 0) AS fits,
    known.id, known.api_key_id, known.period, known.amount_usd, known.key_name, known.spent_usd,
    known.still_reserved + (SELECT max(taken) FROM walk) AS reserved_usd
FROM (SELECT 1) one LEFT JOIN known ON true
"""
)
SETTLE = (
    BEGIN_PERIODS  # noqa: S608
    + LOCK
    + "WITH mine AS (SELECT p.id"
    + APPLY
    + """),
gone AS (
    DELETE FROM public.tenants_budgetreservation r USING mine
    WHERE r.period_id = mine.id AND r.answer_id = {answer_id}
    RETURNING r.period_id, r.amount_usd)
UPDATE public.tenants_budgetperiod p
SET spent_usd = p.spent_usd + {amount}, reserved_usd = p.reserved_usd - coalesce(
    (SELECT sum(gone.amount_usd) FROM gone WHERE gone.period_id = p.id), 0)
FROM mine WHERE p.id = mine.id
"""
)


@dataclass(frozen=True, slots=True)
class Account:
    """Whose budgets an answer counts for, and in which day and month."""

    tenant_id: int
    api_key_id: str | None
    today: Today


@dataclass(frozen=True, slots=True)
class Asked:
    """A reservation that is wanted, in US dollars."""

    answer_id: str
    amount: Decimal
    lease_seconds: float

    def as_sql(self, place: int) -> sql.Composed:
        amount = self.amount.quantize(SMALLEST, ROUND_UP)
        return sql.SQL("({}, {}::uuid, {}::numeric, {}::float8)").format(
            *map(sql.Literal, (place, self.answer_id, amount, self.lease_seconds))
        )


async def read_figures(connection: Connection, account: Account) -> tuple[BudgetFigure, ...]:
    values = figures_values(account.tenant_id, account.today, account.api_key_id)
    rows = await (await connection.execute(FIGURES, values)).fetchall()
    return tuple(figure_of(row, account.today) for row in rows)


async def reserve(
    connection: Connection, account: Account, asked: Sequence[Asked]
) -> tuple[list[bool] | None, tuple[BudgetFigure, ...]]:
    """Which were reserved, each in every budget that applies, and what is used of those by now.

    None: others hold the rows for longer than LOCK_SECONDS.
    """
    values = sql.SQL(", ").join(one.as_sql(place) for place, one in enumerate(asked, 1))
    query = _compose(RESERVE, account, lock_timeout=f"{LOCK_SECONDS}s", asked=values)
    try:
        cursor = await connection.execute(query)
    except LockNotAvailable:
        return None, ()
    while cursor.nextset():
        pass
    rows = await cursor.fetchall()
    # No budget is left when somebody has just removed the last.
    figures = tuple(figure_of(row, account.today) for row in rows if row["id"] is not None)
    return rows[0]["fits"], figures


async def settle(connection: Connection, account: Account, answer_id: str, amount: Decimal) -> None:
    """Books `amount` as spent and takes the answer's reservations away."""
    await connection.execute(_compose(SETTLE, account, answer_id=answer_id, amount=amount))


def _compose(statements: LiteralString, account: Account, **values: Any) -> sql.Composed:
    """With the values in the text: several statements in one message take no parameters."""
    known = {
        "tenant_id": account.tenant_id,
        "api_key_id": account.api_key_id,
        "day": account.today.day,
        "month": account.today.month,
        **values,
    }
    literals = {
        name: value if isinstance(value, sql.Composable) else sql.Literal(value)
        for name, value in known.items()
    }
    return sql.SQL(statements).format(**literals)

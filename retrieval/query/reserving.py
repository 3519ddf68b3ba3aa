"""Reservations of one process, made together: while one message is on its way to the database, those
who ask meanwhile wait for the next, without a connection each."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from retrieval.providers.per_loop import PerLoop
from retrieval.query import budget_rows
from tenants.pool import public_connection

if TYPE_CHECKING:
    from retrieval.query.budget_rows import Account, Asked
    from tenants.budget_figures import BudgetFigure

    # None: the rows are locked by somebody else.
    Verdict = tuple[bool | None, tuple[BudgetFigure, ...]]

MOST_AT_ONCE = 500


@dataclass(slots=True)
class Line:
    """Those who wait to reserve of one account."""

    waiting: list[tuple[Asked, asyncio.Future[Verdict]]] = field(default_factory=list)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


_lines: PerLoop[defaultdict[Account, Line]] = PerLoop(lambda: defaultdict(Line))


async def reserve(account: Account, asked: Asked) -> Verdict:
    """Whether it was reserved, and what is used of each budget by now. Raises Unavailable."""
    lines = _lines.get()
    line = lines[account]
    verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
    line.waiting.append((asked, verdict))
    sending = asyncio.ensure_future(_send(line, account, verdict))
    try:
        await asyncio.shield(sending)
    except asyncio.CancelledError:
        # What is on its way must be known before it is settled.
        with contextlib.suppress(Exception):
            await sending
        raise
    finally:
        if not line.waiting and not line.turn.locked():
            lines.pop(account, None)
    return await verdict


async def _send(line: Line, account: Account, own: asyncio.Future[Verdict]) -> None:
    """Everybody who waits, unless somebody else has sent what is `own` by then."""
    async with line.turn:
        if own.done():
            return
        together, line.waiting = line.waiting[:MOST_AT_ONCE], line.waiting[MOST_AT_ONCE:]
        try:
            async with public_connection() as connection:
                fits, figures = await budget_rows.reserve(
                    connection, account, [asked for asked, _ in together]
                )
        except Exception as error:
            for _, verdict in together:
                if verdict is not own:
                    verdict.set_exception(error)
            raise
        for place, (_, verdict) in enumerate(together):
            verdict.set_result((None if fits is None else fits[place], figures))

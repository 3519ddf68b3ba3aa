"""What is paid for without an answer: within the budgets, and in the books."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from psycopg import sql

from retrieval import events
from retrieval.query.budget import plain_purse
from retrieval.query.request import AnswerRequest
from retrieval.query.run import Run
from tenants.pool import tenant_transaction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tenants.config import Caller


@asynccontextmanager
async def paid_apart(caller: Caller, entry: str) -> AsyncIterator[Run]:
    """A run without a question, for its purse and its calls, which are booked in the end however it ends."""
    run = Run(caller, AnswerRequest(""), "", plain_purse(caller))
    try:
        yield run
    finally:
        await book_apart(run, entry)


async def book_apart(run: Run, entry: str) -> None:
    """Of a run without a trace: its calls as `entry` of the ledger, and its budget. Raises Unavailable.

    What was free leaves no row; what has no known price does.
    """
    calls = run.outcome.calls
    if all(call.cost_usd == 0 for call in calls):
        await run.purse.give_back()
        return
    paid = json.dumps([{"calls": [call.as_json() for call in calls]}])
    async with tenant_transaction(run.caller.tenant) as connection:
        if events.ledger.spent:
            values = {"entry": entry, "subject_id": run.id, "paid": paid}
            await connection.execute(sql.SQL(events.ledger.spent), values)
        await run.purse.settle(connection, run.id, calls)

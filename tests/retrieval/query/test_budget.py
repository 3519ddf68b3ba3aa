"""A budget is never passed, whoever asks at once, and every reservation comes to an end."""

from __future__ import annotations

import asyncio
import time
import uuid
from decimal import Decimal

import pytest
from asgiref.sync import sync_to_async

from ragadmin.errors import BudgetExceeded
from retrieval.query.budget import Purse, open_purse
from retrieval.types import ModelCall, Usage
from tenants.access import caller_of_key
from tenants.keys import create_api_key
from tenants.models import BudgetReservation
from tenants.pool import pool_statistics, public_connection, tenant_transaction
from tests.retrieval.query.budgets import add_budget, asker as asker_of


@pytest.fixture(autouse=True)
async def _loop(loop_resources):
    yield


budget = sync_to_async(add_budget)
asker = sync_to_async(asker_of)
key_caller = sync_to_async(caller_of_key)


@sync_to_async
def new_key(tenant):
    return create_api_key(tenant=tenant, name="site", scopes=["query"])[0]


def answer_id():
    return str(uuid.uuid4())


def call(cost):
    cost = None if cost is None else Decimal(cost)
    return ModelCall("generation", "mock", "mock", Usage(10, 10), cost)


async def settle(caller, purse, answer, *costs):
    async with tenant_transaction(caller.tenant) as connection:
        await purse.settle(connection, answer, [call(cost) for cost in costs])


async def figures(budget):
    """Spent, reserved, and how many reservations there are."""
    async with public_connection() as connection:
        cursor = await connection.execute(
            "SELECT spent_usd, reserved_usd, (SELECT count(*) FROM tenants_budgetreservation r"
            " WHERE r.period_id = p.id) AS open FROM tenants_budgetperiod p WHERE budget_id = %s",
            [budget.pk],
        )
        row = await cursor.fetchone()
    return (row["spent_usd"], row["reserved_usd"], row["open"]) if row else (0, 0, 0)


async def test_without_budgets_nothing_is_asked_and_all_may_be_spent(tenant):
    caller = await asker(tenant)
    purse = await open_purse(caller)
    assert (purse.step, purse.described) == ("", "")
    assert await purse.reserve(answer_id(), Decimal(1_000_000))
    assert await purse.reserve(answer_id(), None), "no price need be known"
    assert pool_statistics() == {}, "no connection was taken, not even a pool opened"


async def test_a_reservation_is_refused_where_the_amount_would_be_passed(tenant):
    made = await budget(tenant, "1.00")
    purse = await open_purse(await asker(tenant))
    assert await purse.reserve(answer_id(), Decimal("0.60"))
    assert not await purse.reserve(answer_id(), Decimal("0.41"))
    assert "tenant's daily budget of $1.00 has $0.40 left" in purse.refusal
    assert await purse.reserve(answer_id(), Decimal("0.40")), "up to the amount itself"
    assert await figures(made) == (0, Decimal(1), 2)


async def test_two_hundred_at_once_reserve_no_more_than_there_is(tenant):
    """And share a query to open, and a few to reserve: they do not queue for connections."""
    made = await budget(tenant, "0.40")
    caller = await asker(tenant)
    purses = await asyncio.gather(*(open_purse(caller) for _ in range(200)))
    taken = await asyncio.gather(*(p.reserve(answer_id(), Decimal("0.01")) for p in purses))
    assert sum(taken) == 40
    assert pool_statistics()["requests_num"] <= 5
    assert await figures(made) == (0, Decimal("0.40"), 40)


async def test_of_those_who_ask_at_once_the_small_still_fit_beside_the_large(tenant):
    made = await budget(tenant, "1")
    purse = await open_purse(await asker(tenant))
    wanted = ["0.1", "0.7", "0.5", "0.1", "0.2", "0.1"]
    taken = await asyncio.gather(*(purse.reserve(answer_id(), Decimal(each)) for each in wanted))
    assert taken == [True, True, False, True, False, True]
    assert await figures(made) == (0, Decimal(1), 4)


async def test_who_leaves_while_it_reserves_leaves_nothing_reserved(tenant):
    made, caller = await budget(tenant, "1"), await asker(tenant)
    purses = [await open_purse(caller) for _ in range(20)]
    asking = [asyncio.ensure_future(each.reserve(answer_id(), Decimal("0.01"))) for each in purses]
    await asyncio.sleep(0.001)
    for each in asking[::2]:
        each.cancel()
    done = await asyncio.gather(*asking, return_exceptions=True)
    assert done[1::2] == [True] * 10
    await asyncio.gather(*(each.give_back() for each in purses[::2]))
    assert await figures(made) == (0, Decimal("0.1"), 10)


async def test_it_is_reserved_in_every_budget_or_in_none(tenant):
    row = await new_key(tenant)
    of_tenant, of_key = (
        await budget(tenant, "10"),
        await budget(tenant, "0.05", period="month", key=row),
    )
    purse = await open_purse(await key_caller(row))
    assert not await purse.reserve(answer_id(), Decimal("0.06"))
    assert 'The key "site"\'s monthly budget of $0.05' in purse.refusal
    assert [await figures(each) for each in (of_tenant, of_key)] == [(0, 0, 0)] * 2
    assert await purse.reserve(answer_id(), Decimal("0.05"))
    assert (await figures(of_tenant))[1] == (await figures(of_key))[1] == Decimal("0.05")


async def test_another_keys_budget_does_not_count(tenant):
    row = await new_key(tenant)
    await budget(tenant, "0.01", key=row, spent="0.01")
    assert (await open_purse(await asker(tenant))).step == ""


async def test_settling_books_the_real_cost_and_frees_all_reservations_of_the_answer(tenant):
    made, caller, answer = await budget(tenant, "1"), await asker(tenant), answer_id()
    purse = await open_purse(caller)
    assert await purse.reserve(answer, Decimal("0.3"))
    assert await purse.reserve(answer, Decimal("0.2"))
    assert await purse.reserve(other := answer_id(), Decimal("0.1"))
    await settle(caller, purse, answer, "0.05", "0.000000123", None)
    assert await figures(made) == (Decimal("0.050000123"), Decimal("0.1"), 1)
    await settle(caller, purse, other)
    assert await figures(made) == (Decimal("0.050000123"), 0, 0)


async def test_what_was_not_reserved_is_booked_too_also_in_a_budget_made_meanwhile(tenant):
    caller = await asker(tenant)
    purse = await open_purse(caller)
    made = await budget(tenant, "1")
    await settle(caller, purse, answer_id(), "0.02")
    assert await figures(made) == (Decimal("0.02"), 0, 0)


async def test_an_unfinished_transaction_settles_nothing(tenant):
    made, caller, answer = await budget(tenant, "1"), await asker(tenant), answer_id()
    purse = await open_purse(caller)
    await purse.reserve(answer, Decimal("0.3"))
    with pytest.raises(ZeroDivisionError):
        async with tenant_transaction(caller.tenant) as connection:
            await purse.settle(connection, answer, [call("0.1")])
            raise ZeroDivisionError
    assert await figures(made) == (0, Decimal("0.3"), 1)


async def test_what_is_given_back_can_be_spent_by_others(tenant):
    made = await budget(tenant, "1")
    purse = await open_purse(await asker(tenant))
    await purse.reserve(answer_id(), Decimal(1))
    await purse.give_back()
    assert await figures(made) == (0, 0, 0)
    assert await purse.reserve(answer_id(), Decimal(1))


async def test_with_a_budget_in_force_an_unknown_price_is_refused(tenant):
    await budget(tenant, "1")
    purse = await open_purse(await asker(tenant))
    assert not await purse.reserve(answer_id(), None)
    assert "no price is known" in purse.refusal


@pytest.mark.parametrize("amount", ["0.1", "0.0000000001"])
async def test_reservations_of_a_dead_process_lapse_and_are_given_back_once(tenant, amount):
    made, caller = await budget(tenant, "0.4"), await asker(tenant)
    dead = await open_purse(caller, lease_seconds=0.05)
    for _ in range(4):
        await dead.reserve(answer_id(), Decimal(amount))
    await asyncio.sleep(0.1)
    purses = await asyncio.gather(*(open_purse(caller) for _ in range(20)))
    taken = await asyncio.gather(*(p.reserve(answer_id(), Decimal("0.1")) for p in purses))
    assert sum(taken) == 4
    assert await figures(made) == (0, Decimal("0.4"), 4)


async def test_a_budget_that_is_removed_meanwhile_refuses_nothing(tenant):
    made, caller, answer = await budget(tenant, "0.01"), await asker(tenant), answer_id()
    purse = await open_purse(caller)
    async with public_connection() as connection:
        await connection.execute("DELETE FROM tenants_budget WHERE id = %s", [made.pk])
    assert await purse.reserve(answer, Decimal(5))
    await settle(caller, purse, answer, "5")
    assert await figures(made) == (0, 0, 0)


async def test_rows_that_somebody_holds_are_waited_for_only_so_long(tenant):
    made, caller = await budget(tenant, "1", spent="0.1"), await asker(tenant)
    purse = await open_purse(caller)
    async with public_connection() as connection:
        await connection.execute("BEGIN")
        await connection.execute(
            "SELECT 1 FROM tenants_budgetperiod WHERE budget_id = %s FOR UPDATE", [made.pk]
        )
        begun = time.monotonic()
        assert not await purse.reserve(answer_id(), Decimal("0.1"))
        assert time.monotonic() - begun > 1
        await connection.execute("ROLLBACK")
    assert "locked" in purse.refusal
    assert await purse.reserve(answer_id(), Decimal("0.1"))


async def test_all_spent_is_refused_with_the_budget_the_amount_and_when_it_begins_anew(tenant):
    tenant.timezone = "Asia/Tokyo"
    await tenant.asave()
    await budget(tenant, "5", spent="5.25")
    with pytest.raises(BudgetExceeded) as caught:
        await open_purse(await asker(tenant))
    error = caught.value
    assert (error.status, error.code) == (429, "budget_exceeded")
    assert "tenant's daily budget of $5.00 is spent ($5.25)" in error.message
    assert "00:00 (Asia/Tokyo)" in error.message
    assert error.extra["budget"]["resets_at"].endswith("T00:00:00+09:00")
    assert 0 < int(error.headers["Retry-After"]) <= 24 * 3600
    assert error.as_openai_body()["error"]["type"] == "insufficient_quota"


@pytest.mark.parametrize(
    ("spent", "step"),
    [
        ("69.99", ""),
        ("70", "small_model"),
        ("84.99", "small_model"),
        ("85", "fewer_passages"),
        ("95", "no_model"),
        ("99.999999", "no_model"),
    ],
)
async def test_the_ladder(tenant, spent, step):
    await budget(tenant, "100", spent=spent)
    purse = await open_purse(await asker(tenant))
    assert purse.step == step
    assert purse.described.startswith(f"{int(float(spent))} % of the tenant's daily budget of $100")


async def test_the_tightest_budget_decides_and_reservations_count(tenant):
    row = await new_key(tenant)
    await budget(tenant, "100", spent="71")
    await budget(tenant, "1", period="month", key=row)
    caller = await key_caller(row)
    purse = await open_purse(caller)
    assert purse.step == "small_model"
    await purse.reserve(answer_id(), Decimal("0.96"))
    assert (await open_purse(caller)).step == "no_model"
    assert (await open_purse(await asker(tenant))).step == "small_model", (
        "the key's is not everybody's"
    )


async def test_a_purse_without_an_account_is_a_free_one(tenant):
    purse = Purse()
    assert await purse.reserve(answer_id(), Decimal(1))
    await purse.give_back()
    found = BudgetReservation.objects.filter(period__budget__tenant=tenant)
    assert not await found.aexists()

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from ragadmin.errors import TenantNotSet
from retrieval.query.embed import embed_question
from retrieval.query.request import SearchRequest
from retrieval.query.retrieve import find
from retrieval.query.searching import search_documents
from tenants.config import PriceOverride
from tenants.pool import tenant_transaction
from tests.retrieval.query.asking import changed

pytestmark = pytest.mark.usefixtures("loop_resources")


async def search(caller, question, **options):
    vector = await embed_question(caller, question)
    return await find(caller, SearchRequest(question, **options), vector)


@pytest.mark.parametrize("mode", ["hybrid", "vector", "keyword"])
async def test_the_best_passage_comes_first_in_every_mode(caller, mode):
    hits = await search(caller, "How do I reset my password?", mode=mode)
    assert hits[0].path == "guide/passwords.md"
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))


async def test_access_levels_decide_what_is_found(caller, public_caller):
    question = "When are salaries paid?"
    assert (await search(caller, question))[0].path == "finance/salaries.md"
    assert all(hit.access_level == "public" for hit in await search(public_caller, question))


async def test_a_caller_without_levels_finds_nothing(caller):
    assert await search(replace(caller, access_levels=()), "When are salaries paid?") == []


async def test_unrelated_question_finds_nothing(caller):
    assert await search(caller, "Which galaxies orbit Andromeda?") == []


@pytest.mark.parametrize(
    ("filters", "paths"),
    [
        ((("path_prefix", "finance/"),), {"finance/salaries.md"}),
        ((("access_level", "public"),), {"guide/passwords.md"}),
        ((("source", "Uploads"),), {"guide/passwords.md", "finance/salaries.md"}),
        ((("source", "Nowhere"),), set()),
        ((("path_prefix", "finance/"), ("access_level", "public")), set()),
    ],
)
async def test_filters_narrow_the_search(caller, filters, paths):
    caller = replace(caller, tenant=replace(caller.tenant, min_similarity=-1.0))
    hits = await search(caller, "salaries and passwords", filters=filters)
    assert {hit.path for hit in hits} == paths


async def test_no_tenant_is_an_error(caller):
    vector = await embed_question(caller, "anything")
    with pytest.raises(TenantNotSet):
        await find(replace(caller, tenant=None), SearchRequest("anything"), vector)


async def test_a_search_that_is_paid_for_is_in_the_books_and_no_question(caller):
    price = PriceOverride("search", "calls", Decimal(2), Decimal(0))
    await search_documents(changed(caller, prices=(price,)), SearchRequest("Who is paid?"))
    async with tenant_transaction(caller.tenant) as connection:
        query = (
            "SELECT entry, questions, calls FROM public.monitoring_querymetric WHERE tenant_id = %s"
        )
        rows = await (await connection.execute(query, [caller.tenant.id])).fetchall()
    assert [(row["entry"], row["questions"]) for row in rows] == [("lookup", 0)]
    assert [call["cost_usd"] for call in rows[0]["calls"]] == ["0.002"]

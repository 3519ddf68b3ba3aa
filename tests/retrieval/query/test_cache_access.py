"""What one may be given of what another was answered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from asgiref.sync import sync_to_async

from tenants.access import tenant_config
from tests.documents import upload_and_index
from tests.retrieval.query.asking import answered
from tests.retrieval.query.kept_answers import entries, model_calls

pytestmark = pytest.mark.usefixtures("loop_resources")
SECRET = "When are salaries paid each month?"


@pytest.fixture
def outsider(asker):
    return replace(asker, access_levels=("public",), label="outsider", user_id=2)


async def test_an_answer_from_secret_passages_never_reaches_who_may_not_read_them(asker, outsider):
    assert "25th" in (await answered(asker, SECRET))["answer"]
    (entry,) = await entries(asker)
    assert "internal" in entry.context_levels
    for question in (SECRET, "When are the salaries paid each month?"):
        given = await answered(outsider, question)
        assert given["cache"] == "none"
        assert "25th" not in given["answer"]


async def test_who_may_read_less_is_given_an_answer_that_rests_on_no_more(asker, outsider):
    first = await answered(asker, top_k=1)
    (entry,) = await entries(asker)
    assert entry.context_levels == ["public"]
    given = await answered(outsider, top_k=1)
    assert (given["cache"], given["answer"]) == ("exact", first["answer"])
    assert "search" in [span["kind"] for span in given["spans"]], "after a search of their own"
    assert [span["kind"] for span in (await answered(outsider, top_k=1))["spans"]] == ["cache"]
    assert await model_calls(asker) == 1


async def test_an_answer_is_made_anew_where_less_access_shows_other_passages(asker, outsider):
    first = await answered(asker)
    (entry,) = await entries(asker)
    assert entry.context_levels == ["internal", "public"], "both passages are near enough"
    given = await answered(outsider)
    assert given["cache"] == "none"
    assert len(await entries(asker)) == 2
    assert first["id"] != given["id"]
    assert (await answered(asker))["cache"] == (await answered(outsider))["cache"] == "exact"


async def test_who_may_read_more_is_not_given_what_was_answered_from_less(asker, outsider):
    nothing = await answered(outsider, SECRET)
    assert "25th" not in nothing["answer"]
    assert "25th" in (await answered(asker, SECRET))["answer"]


async def test_another_tenant_never_meets_the_answer(asker, corpus):
    from tenants.services import create_tenant

    await answered(asker)
    other = await sync_to_async(create_tenant)(slug=f"{corpus.slug}-b")
    text = "# Passwords\n\nYour password can be reset at the front desk with a passport.\n"
    await sync_to_async(upload_and_index)(other, {"desk.md": ("public", text)})
    config = await sync_to_async(tenant_config)(other)
    kept = {"endpoint": asker.tenant.endpoint, "query": asker.tenant.query, "prices": ()}
    stranger = replace(asker, tenant=replace(config, **kept))
    given = await answered(stranger)
    assert given["cache"] == "none"
    again = await answered(stranger, "How can I reset my password?")
    assert again["answer"] == given["answer"]
    assert "front desk" in again["answer"]
    (own,), (others,) = await entries(asker), await entries(stranger)
    assert own.key == others.key, "only the tenant tells them apart"

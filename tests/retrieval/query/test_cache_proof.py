"""A kept answer outlives only what a full run would not notice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from asgiref.sync import sync_to_async

from retrieval.indexing import store
from retrieval.models import Document
from retrieval.services.documents import delete_document
from tenants.context import tenant_context
from tests.documents import upload_and_index
from tests.retrieval.query.asking import answered, changed
from tests.retrieval.query.conftest import MODEL, with_model
from tests.retrieval.query.kept_answers import entries, model_calls, refreshed

pytestmark = pytest.mark.usefixtures("loop_resources")
PATH = "guide/passwords.md"


def document(tenant):
    with tenant_context(tenant):
        return Document.objects.get(path=PATH)


def change_text(tenant):
    text = "# Passwords\n\nA password is reset by an admin, who sends a new one by post.\n"
    upload_and_index(tenant, {PATH: ("public", text)})


def delete(tenant):
    with tenant_context(tenant):
        delete_document(tenant=tenant, document_id=document(tenant).id)


def change_level(tenant):
    found = document(tenant)
    with tenant_context(tenant):
        Document.objects.filter(pk=found.pk).update(access_level="internal")
        store.set_access_level(tenant, found.pk, "internal")


def rename(tenant):
    """The same text below another path, as a sync does it."""
    delete(tenant)
    text = "# Passwords\n\nA password is reset from the sign-in page. The link is valid for one hour.\n\n"
    text += "# Sessions\n\nA session ends after two weeks without use.\n"
    upload_and_index(tenant, {"guide/access.md": ("public", text)})


@pytest.mark.parametrize("change", [change_text, delete, change_level, rename])
async def test_an_answer_is_not_given_again_once_its_document_has_changed(asker, corpus, change):
    first = await answered(asker)
    assert (await answered(asker))["cache"] == "exact"
    await sync_to_async(change)(corpus)
    after = await answered(asker)
    assert after["cache"] == "none"
    levels = {hit["path"] for hit in after["citations"]}
    assert levels or not after["answer"].startswith(first["answer"][:20])


async def test_a_changed_document_takes_its_answers_out_of_reach_for_good(asker, corpus):
    await answered(asker)
    await sync_to_async(change_text)(corpus)
    await answered(asker, "How may I reset my password?")
    stale, _ = await entries(asker)
    assert stale.evicted_at is not None


async def test_an_unrelated_upload_does_not_empty_the_cache(asker, corpus):
    await answered(asker, top_k=1)
    (before,) = await entries(asker)
    other = "# Menu\n\nOn Fridays the canteen serves fish with potatoes and a green salad.\n"
    await sync_to_async(upload_and_index)(corpus, {"canteen/menu.md": ("internal", other)})
    first = await answered(asker, top_k=1)
    (after,) = await entries(asker)
    assert first["cache"] == "exact"
    assert await model_calls(asker) == 1
    assert after.corpus_revision > before.corpus_revision, "the new revision is noted"
    assert "search" in [span["kind"] for span in first["spans"]], "it was proven by a search"
    second = await answered(asker, top_k=1)
    assert [span["kind"] for span in second["spans"]] == ["cache"], "and needs no further proof"


@pytest.mark.parametrize(
    "values",
    [
        {"instructions": "Answer like a pirate."},
        {"answer_tokens": 64},
        {"temperature": 0.3},
        {"search_mode": "keyword"},
        {"mmr_lambda": 0.4},
        {"neighbours": 1},
        {"multi_query": "on"},
        {"compress": False},
        {"simple_words": 1},
    ],
)
async def test_another_setting_is_another_answer(asker, values):
    await answered(asker)
    assert (await answered(changed(asker, query=values)))["cache"] == "none"


@pytest.mark.parametrize(
    "values", [{"shadow_share": 0.5}, {"cache_ttl_minutes": 9}, {"similarity_threshold": 0.9}]
)
async def test_a_setting_of_the_cache_itself_leaves_its_answers(asker, values):
    await answered(asker)
    assert (await answered(changed(asker, query=values)))["cache"] == "exact"


async def test_another_model_endpoint_or_generation_is_another_answer(asker, mock_url):
    await answered(asker)
    other = with_model(asker, mock_url, "mock-0-9-0")
    assert (await answered(other))["cache"] == "none"
    newer = replace(asker, tenant=replace(asker.tenant, min_similarity=0.05))
    assert (await answered(newer))["cache"] == "none"


async def test_another_key_or_price_is_no_other_answer(asker, mock_url):
    await answered(asker)
    endpoint = replace(asker.tenant.endpoint, api_key="rotated")
    rotated = replace(asker, tenant=replace(asker.tenant, endpoint=endpoint, prices=()))
    again = await answered(rotated)
    assert (again["cache"], again["model"]) == ("exact", MODEL)


async def test_the_revision_in_the_callers_configuration_does_not_matter(asker, corpus):
    await answered(asker)
    await sync_to_async(change_text)(corpus)
    newer = await refreshed(asker, corpus)
    assert newer.tenant.corpus_revision != asker.tenant.corpus_revision
    assert (await answered(asker))["cache"] == "none", "the transaction's own revision decides"

"""What stands under an answer: where it came from, what it cost, what was wrong."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from retrieval.models import CacheEntry
from tenants.context import tenant_context
from tests.retrieval.pages import hit, make_document, make_trace, sign_in

CALL = {
    "kind": "generation",
    "provider": "openai",
    "model": "gpt-4o-mini",
    "input_tokens": 900,
    "output_tokens": 40,
    "estimated": False,
    "cost_usd": "0.000159",
    "price": {"input_usd": "0.15", "output_usd": "0.6", "unit": "tokens", "source": "published"},
}


@pytest.fixture
def member(tenant):
    return sign_in(tenant, role="member", levels=["public"])


@pytest.fixture
def show(tenant, member):
    """The fragments of a trace that the member asked for."""

    def show(part="turn/", browser=member, **values):
        trace = make_trace(tenant, user=member.user, **values)
        return browser.get(f"/t/{tenant.slug}/traces/{trace.id}/{part}").content.decode()

    return show


def keep(tenant, question, trace) -> CacheEntry:
    with tenant_context(tenant):
        return CacheEntry.objects.create(
            key=uuid.uuid4().hex,
            question=question,
            embedding=[0.0] * 384,
            config_hash="0",
            access_levels=["public"],
            corpus_revision=0,
            context_fingerprint="0",
            context_levels=["public"],
            trace_id=trace.id,
            expires_at=timezone.now() + timedelta(days=1),
        )


def test_a_cached_answer_says_since_when_and_offers_a_fresh_one(show):
    page = show(cache="exact", cached_at=timezone.now() - timedelta(minutes=5))
    assert "5 minutes ago" in page
    assert "sources unchanged" in page
    assert "Ask fresh" in page


def test_an_answer_that_was_made_now_offers_no_fresh_one(show):
    page = show()
    assert "Cached" not in page
    assert "Ask fresh" not in page


def test_a_reused_reply_of_the_model_is_named_as_such(show):
    assert "Model reply reused" in show(cache="llm")


def test_a_like_question_is_shown_with_its_similarity_and_leads_to_its_trace(tenant, member, show):
    first = make_trace(tenant, user=member.user, question="What is whistling?")
    entry = keep(tenant, "What is whistling?", first)
    values = {"cache": "semantic", "cache_entry_id": entry.id, "cache_similarity": 0.9312}
    assert "Asked as “What is whistling?”, similarity 0.931" in show(**values)
    assert f"/traces/{first.id}/" in show("", **values)


def test_the_question_of_somebody_else_is_neither_linked_nor_told(tenant, show):
    entry = keep(tenant, "Theirs?", make_trace(tenant))
    values = {"cache": "semantic", "cache_entry_id": entry.id, "cache_similarity": 0.9}
    assert "Answer it was made for" not in show("", **values)
    fragment = show(**values)
    assert "Theirs?" not in fragment
    assert "The answer to a like question" in fragment


def test_a_like_question_is_withheld_with_the_answer(tenant, show):
    secret = make_document(tenant, "secret.md", access_level="internal")
    entry = keep(tenant, "Who is fired?", make_trace(tenant))
    page = show("", cache="semantic", cache_entry_id=entry.id, hits=[hit(secret)])
    assert "Who is fired?" not in page


def test_a_fallback_names_the_model_that_failed_and_the_one_that_answered(show):
    tried = [{"model": "gpt-4o", "error": "model_timeout"}]
    page = show(model="gpt-4o-mini", route={"tried": tried})
    assert "gpt-4o timed out, answered by gpt-4o-mini." in page


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("redis", "answer cache is away"),
        ("model", "No model could be reached"),
        ("reranker", "reranker is away"),
        ("embedder", "searched by words alone"),
    ],
)
def test_what_was_done_without_is_said_in_words(show, part, words):
    assert words in show(degraded=[part])


def test_a_nearly_used_budget_is_said(show):
    assert "The budget is nearly used up" in show(budget_step="fewer_passages")


def test_what_was_saved_is_shown(show):
    assert "saved $0.0025" in show(saved_usd=Decimal("0.0025"), saved={"cache": "0.0025"})


def test_an_unknown_cost_is_told_apart_from_a_free_and_an_unused_one(show):
    page = show(
        "details/",
        cost_usd={"embedding": 0, "rerank": 0, "generation": None},
        total_cost_usd=None,
        calls=[{"kind": "generation", "cost_usd": None}],
        spans=[{"kind": "embed", "start_ms": 0.0, "duration_ms": 1.0}],
    )
    assert "price unknown" in page
    assert page.count(">free<") == 1
    assert page.count(">not used<") == 1


def test_passages_say_which_side_found_them_and_why_others_were_left_out(tenant, show):
    document = make_document(tenant)
    page = show(
        "details/",
        hits=[hit(document, 7, vector_place=2, keyword_place=None)],
        dropped=[hit(document, 8, vector_place=None, keyword_place=3) | {"fate": "duplicate"}],
    )
    assert "meaning 2" in page
    assert "words 3" in page
    assert "says the same as one above" in page
    assert "?chunk=7#chunk-7" in page


def test_a_passage_that_was_left_out_is_not_shown_above_the_levels(tenant, show):
    secret = make_document(tenant, "secret.md", access_level="internal")
    page = show("details/", dropped=[hit(secret) | {"fate": "ranked_out"}])
    assert "secret.md" not in page


def test_the_trace_lists_each_call_with_its_price_and_where_that_is_from(show):
    page = show("", calls=[CALL], cost_usd={"generation": 0.000159})
    assert "$0.15 in, $0.6 out, a million tokens" in page
    assert "published" in page
    assert "$0.00016" in page


def test_a_follow_up_shows_what_was_searched_for(show):
    assert "Searched for: How do I stop the kettle?" in show(
        "", standalone_question="How do I stop the kettle?"
    )


def test_fragments_of_somebody_else_are_not_found(tenant, member):
    trace = make_trace(tenant)
    for part in ("turn/", "details/"):
        assert member.get(f"/t/{tenant.slug}/traces/{trace.id}/{part}").status_code == 404


SHADOW = {"reason": "other numbers", "answer": "Five minutes.", "cosine": 0.7, "cost_usd": "0.001"}


def test_a_checked_hit_shows_both_answers_to_those_who_may_read_what_the_asker_may(show):
    page = show("", cache="semantic", shadow=SHADOW, shadow_verdict="different")
    assert "Answered in full as well" in page
    assert "other numbers" in page
    assert "Five minutes." in page


def test_the_full_answer_to_a_checked_hit_is_kept_from_those_who_may_read_less(tenant):
    admin = sign_in(tenant, role="admin", levels=["public"])
    trace = make_trace(tenant, cache="semantic", shadow=SHADOW, shadow_verdict="different")
    trace.access_levels = ["public", "internal"]
    with tenant_context(tenant):
        trace.save()
    page = admin.get(f"/t/{tenant.slug}/traces/{trace.id}/").content.decode()
    assert "Answered in full as well" in page
    assert "Five minutes." not in page

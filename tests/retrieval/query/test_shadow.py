"""Hits answered in full as well, and what their verdicts do to the threshold."""

from __future__ import annotations

import asyncio
import uuid
from decimal import Decimal

import pytest

from retrieval.cache_figures import adjust_threshold, false_hits, wilson_interval
from retrieval.models import QueryTrace
from retrieval.query import shadow
from retrieval.query.run import Outcome
from retrieval.types import Citation, RouteDecision
from tenants.context import tenant_context
from tenants.models import AuditEvent, Tenant
from tests.retrieval.query.asking import QUESTION, answered, changed
from tests.retrieval.query.conftest import with_model
from tests.retrieval.query.kept_answers import model_calls, traces

OTHER_WORDS = "How can I reset my password?"


@pytest.fixture
def tenant(tenant):
    """Whatever the default is."""
    Tenant.objects.filter(pk=tenant.pk).update(query_settings={"similarity_threshold": 0.75})
    tenant.refresh_from_db()
    return tenant


@pytest.fixture
def sampled(asker, loop_resources):
    return changed(asker, query={"shadow_share": 1.0})


async def test_a_sampled_hit_is_answered_in_full_and_found_to_be_right(sampled):
    first = await answered(sampled)
    hit = await answered(sampled, OTHER_WORDS)
    assert hit["cache"] == "semantic"
    await shadow.wait_for_samples()
    trace = (await traces(sampled))[-1]
    assert trace.shadow_verdict == "same"
    assert trace.shadow["cached_answer"] == first["answer"]
    assert trace.shadow["cached_question"] == QUESTION
    assert trace.shadow["answer"]
    assert len(await traces(sampled)) == 2, "the sample is no question of a user's"


async def test_what_a_sample_costs_is_its_own_and_not_the_hits(sampled):
    await answered(sampled)
    hit = await answered(sampled, OTHER_WORDS)
    await shadow.wait_for_samples()
    trace = (await traces(sampled))[-1]
    assert hit["cost_usd"]["generation"] == 0
    assert trace.total_cost_usd == 0
    assert Decimal(trace.shadow["cost_usd"]) > 0
    assert [call["kind"] for call in trace.shadow["calls"]] == ["generation"]
    assert await model_calls(sampled) == 1, "of those that users asked"


async def test_a_hit_at_the_same_revision_says_nothing_new(sampled):
    await answered(sampled)
    await answered(sampled)
    await shadow.wait_for_samples()
    assert (await traces(sampled))[-1].shadow is None


async def test_without_a_share_nothing_is_sampled(sampled):
    none = changed(sampled, query={"shadow_share": 0.0})
    await answered(none)
    await answered(none, OTHER_WORDS)
    assert not shadow._running.get()


async def test_a_process_samples_two_at_once_and_leaves_the_others_out(sampled, mock_url):
    slow = with_model(sampled, mock_url, "mock-600-5-0")
    await answered(slow)
    hits = await asyncio.gather(*[answered(slow, f"{OTHER_WORDS}{' ' * n}!") for n in range(5)])
    assert {hit["cache"] for hit in hits} == {"semantic"}
    assert len(shadow._running.get()) == 2
    await shadow.wait_for_samples()
    assert sum(trace.shadow_verdict == "same" for trace in await traces(slow)) == 2


async def test_a_sample_that_is_broken_off_has_no_verdict(sampled):
    await answered(sampled)
    assert (await answered(sampled, OTHER_WORDS))["cache"] == "semantic"
    await shadow.close_shadows()
    assert (await traces(sampled))[-1].shadow_verdict == ""


def outcome(answer, *, model="m", cited=(1,), abstained=False):
    return Outcome(
        answer=answer,
        abstained=abstained,
        route=RouteDecision("simple", model, ""),
        citations=tuple(Citation(n, "d", n, "p", "q") for n in cited),
    )


@pytest.mark.parametrize(
    ("kept", "fresh", "verdict"),
    [
        (outcome("It takes 3 days [1]."), outcome("It takes 3 days [1]."), "same"),
        (outcome("It takes 3 days."), outcome("It takes 5 days."), "different"),
        (outcome("No answer.", abstained=True), outcome("It takes 3 days."), "different"),
        (outcome("“a” [1]", model="extractive"), outcome("“b” [2]", model="extractive", cited=(2,)),
         "different"),
        (outcome("“a” [1]", model="extractive"), outcome("“ab” [1]", model="extractive", cited=(1, 2)),
         "same"),
    ],
)  # fmt: skip
def test_answers_are_told_apart_by_numbers_quotes_and_abstention(kept, fresh, verdict):
    assert shadow.compare_words(kept, fresh).verdict == verdict


@pytest.mark.parametrize(
    ("cosine", "cited", "verdict"),
    [(0.9, (7,), "same"), (0.7, (1,), "same"), (0.7, (7,), "different"), (0.5, (1,), "different")],
)
def test_between_near_and_far_the_citations_decide(cosine, cited, verdict):
    kept, fresh = outcome("By post."), outcome("By mail.", cited=cited)
    assert shadow.compare_words(kept, fresh) is None
    assert shadow.compare_meaning(kept, fresh, cosine).verdict == verdict


def test_the_interval_is_wilsons():
    low, high = wilson_interval(1, 100)
    assert (round(low, 4), round(high, 4)) == (0.0018, 0.0545)
    assert wilson_interval(0, 0) == (0.0, 1.0)


def sample(tenant, wrong, right, similarity=0.8):
    with tenant_context(tenant):
        QueryTrace.objects.bulk_create(
            QueryTrace(
                id=uuid.uuid4(), question="?", access_levels=["public"], cache="semantic",
                cache_similarity=similarity, status="succeeded",
                shadow_verdict="different" if n < wrong else "same",
            )
            for n in range(wrong + right)
        )  # fmt: skip


def test_too_many_wrong_hits_raise_the_threshold_a_step_and_it_is_on_record(tenant):
    sample(tenant, wrong=6, right=60)
    figures = false_hits(tenant)
    assert (figures.samples, figures.wrong, figures.threshold) == (66, 6, 0.75)
    assert figures.low > 0.01
    assert adjust_threshold(tenant) == 0.77
    event = AuditEvent.objects.filter(tenant_id=tenant.pk, action="cache.threshold_raised").get()
    assert (event.detail["before"], event.detail["after"]) == (0.75, 0.77)
    assert Tenant.objects.get(pk=tenant.pk).raised_threshold == 0.77


def test_it_is_raised_only_as_far_as_it_takes_to_stop_those_hits(tenant):
    sample(tenant, wrong=6, right=60, similarity=0.8)
    sample(tenant, wrong=0, right=100, similarity=0.9)
    moves = [adjust_threshold(tenant) for _ in range(8)]
    assert moves == [0.77, 0.79, 0.81, 0.81, 0.81, 0.81, 0.81, 0.81]


def test_few_samples_decide_nothing(tenant):
    sample(tenant, wrong=10, right=9)
    assert adjust_threshold(tenant) is None


def test_when_enough_are_right_again_it_comes_back_down(tenant):
    Tenant.objects.filter(pk=tenant.pk).update(raised_threshold=0.77)
    tenant.refresh_from_db()
    sample(tenant, wrong=0, right=300)
    assert adjust_threshold(tenant) == 0.77, (
        "300 right ones do not yet say less than 1 % for certain"
    )
    sample(tenant, wrong=0, right=150)
    assert adjust_threshold(tenant) is None
    assert AuditEvent.objects.filter(tenant_id=tenant.pk, action="cache.threshold_lowered").exists()


def test_it_is_never_raised_beyond_what_still_finds_anything(tenant):
    Tenant.objects.filter(pk=tenant.pk).update(raised_threshold=0.98)
    tenant.refresh_from_db()
    sample(tenant, wrong=30, right=0, similarity=1.0)
    assert [adjust_threshold(tenant) for _ in range(2)] == [0.99, 0.99]

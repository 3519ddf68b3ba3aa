"""Runs over golden questions: what they measure, what ends them and what does not."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from monitoring.models import DailySpending, DailyUsage
from monitoring.replay import replay_prices
from monitoring.rollups import roll_up
from ragadmin.errors import Conflict
from retrieval.evaluation import nightly, work
from retrieval.evaluation.runs import baseline_of, cancel_run, last_verdicts
from retrieval.evaluation.tasks import dispatch_evaluations
from retrieval.evaluation.work import run_next
from retrieval.indexing import reindex
from retrieval.indexing.index import index_next_batch
from retrieval.models import Evaluation, GoldenQuestion, QueryTrace
from retrieval.services.golden import add_golden_question, update_golden_question
from retrieval.services.golden_nights import set_nights
from retrieval.services.reindex import start_reindex
from tenants.context import tenant_context
from tenants.models import Budget, BudgetPeriod, EvaluationJob, ModelPrice, Tenant
from tenants.prices import set_price
from tests.retrieval.golden import (
    PASSWORDS,
    QUESTIONS,
    begin,
    evaluate,
    make_golden_tenant,
    read,
    set_questions,
)


@pytest.fixture(scope="module")
def school(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        return make_golden_tenant("golden-school")


@pytest.fixture
def tenant(school):
    set_questions(school, *QUESTIONS)
    Tenant.objects.filter(pk=school.pk).update(evaluates_nightly=True, evaluation_due_at=None)
    school.refresh_from_db()
    return school


def test_each_question_is_asked_as_its_own_levels_and_judged_by_what_is_expected(tenant):
    run = evaluate(tenant)
    reset, internal, public = run.results
    assert (reset["found"], reset["rank"], reset["matched"], reset["is_right"]) == (
        1,
        1,
        True,
        True,
    )
    assert internal["is_right"], internal
    assert public["abstained"] and public["is_right"], "what is internal is never told the public"
    assert {hit["access_level"] for hit in public["hits"]} <= {"public"}
    assert run.status == "succeeded" and run.done == run.questions == 3
    assert run.summary["hit_rate"] == run.summary["mrr"] == run.summary["ndcg"] == 1
    assert run.summary["abstention"] == {
        "right": 1, "wrongly": 0, "missed": 0, "precision": 1, "recall": 1,
    }  # fmt: skip
    assert run.summary["p95_latency_ms"] >= run.summary["p50_latency_ms"] > 0


def test_an_evaluation_is_no_customer_traffic(tenant):
    evaluate(tenant)
    evaluate(tenant)
    with tenant_context(tenant):
        assert not QueryTrace.objects.exists()


def test_what_it_cost_is_on_the_run_and_booked_in_the_budget(tenant):
    price = ModelPrice.objects.create(
        tenant=tenant, model="search", unit="calls", input_usd=1, output_usd=0
    )
    budget = Budget.objects.create(tenant=tenant, period="day", amount_usd=1)
    try:
        run = evaluate(tenant)
        assert Decimal(run.summary["cost_usd"]) == Decimal("0.003")
        assert BudgetPeriod.objects.get(budget=budget).spent_usd == Decimal("0.003")
        while roll_up():
            pass
        spent = DailySpending.objects.filter(tenant_id=tenant.pk, cost_usd__gt=0)
        assert list(spent.values_list("component", "calls", "cost_usd")) == [
            ("evaluation", 3, Decimal("0.003"))
        ]
        questions = DailyUsage.objects.filter(tenant_id=tenant.pk).values_list(
            "questions", flat=True
        )
        assert not any(questions), "they are nobody's questions"
        set_price(tenant=tenant, model="search", unit="calls", input_usd=2, actor=None)
        found = replay_prices(tenant)
        assert (found.evaluations, found.apart.changed, found.left) == (1, 3, {})
        assert spent.get().cost_usd == Decimal("0.006")
        assert Decimal(read(tenant, run).summary["cost_usd"]) == Decimal("0.006")
    finally:
        budget.delete()
        price.delete()


def test_a_spent_budget_stops_the_run_and_says_so(tenant):
    budget = Budget.objects.create(tenant=tenant, period="day", amount_usd=0)
    try:
        run = evaluate(tenant)
    finally:
        budget.delete()
    assert (run.status, run.done) == ("failed", 0)
    assert "budget" in run.error


def test_a_question_that_cannot_be_asked_does_not_end_the_run(tenant):
    with tenant_context(tenant):
        GoldenQuestion.objects.filter(must_abstain=True).update(access_levels=["gone"])
    run = evaluate(tenant)
    assert run.status == "succeeded"
    assert [each["error"] and each["error"]["code"] for each in run.results] == [
        None, None, "level_gone",
    ]  # fmt: skip
    assert (run.summary["errors"], run.summary["right"]) == (1, 2)
    with tenant_context(tenant):
        GoldenQuestion.objects.update(access_levels=["gone"])
    last = evaluate(tenant)
    with tenant_context(tenant):
        assert (last.status, last.summary["errors"]) == ("failed", 3), "nothing was measured"
        assert "access level gone" in last.error
        assert baseline_of(last) is None
        assert True in last_verdicts().values(), "they are of the run before"


def test_a_killed_workers_run_goes_on_where_it_was(tenant, monkeypatch):
    monkeypatch.setattr(work, "SLICE", 1)
    run = begin(tenant)

    def die(_):
        raise SystemExit

    with pytest.raises(SystemExit):
        run_next("first", tenant, tell=die)
    assert read(tenant, run).done == 1
    assert not run_next("second", tenant), "the lease has not run out"
    EvaluationJob.objects.filter(tenant=tenant).update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )
    asked = []
    assert run_next("second", tenant, tell=lambda run: asked.append(run.done))
    assert asked == [2, 3], "the first is not asked again"
    ended = read(tenant, run)
    assert ended.status == "succeeded"
    assert [each["question"] for each in ended.results] == [each["question"] for each in QUESTIONS]
    assert not EvaluationJob.objects.filter(tenant=tenant).exists()


def test_a_run_that_ends_its_worker_three_times_is_given_up(tenant):
    run = begin(tenant)
    EvaluationJob.objects.filter(tenant=tenant).update(attempts=work.MAX_ATTEMPTS)
    assert run_next("worker", tenant)
    assert read(tenant, run).status == "failed"


def test_a_cancelled_run_keeps_what_was_asked(tenant, monkeypatch):
    monkeypatch.setattr(work, "SLICE", 1)
    run = begin(tenant)

    def cancel(_):
        with tenant_context(tenant):
            cancel_run(run.id)

    run_next("worker", tenant, tell=cancel)
    ended = read(tenant, run)
    assert (ended.status, ended.done, ended.summary["questions"]) == ("cancelled", 1, 1)


def test_one_run_of_a_tenant_at_a_time(tenant):
    run = begin(tenant)
    with pytest.raises(Conflict) as refused:
        begin(tenant)
    assert refused.value.extra["evaluation"] == str(run.id)


def test_without_golden_questions_nothing_is_begun(tenant):
    set_questions(tenant)
    with pytest.raises(Conflict) as refused:
        begin(tenant)
    assert refused.value.code == "no_golden_questions"


def test_adding_a_question_sets_the_night_and_the_night_is_begun_once(tenant):
    tenant.refresh_from_db()
    assert tenant.evaluation_due_at is None, "the fixture took it away"
    with tenant_context(tenant):
        add_golden_question(question="Another?", access_levels=["public"], created_by="tester")
    tenant.refresh_from_db()
    assert timezone.now() < tenant.evaluation_due_at < timezone.now() + timedelta(days=2)
    Tenant.objects.filter(pk=tenant.pk).update(evaluation_due_at=timezone.now())
    dispatch_evaluations()
    dispatch_evaluations()
    with tenant_context(tenant):
        assert [run.trigger for run in Evaluation.objects.all()] == ["nightly"]
    tenant.refresh_from_db()
    assert tenant.evaluation_due_at > timezone.now()


def test_a_question_that_is_asked_again_after_a_pause_sets_the_night(tenant):
    with tenant_context(tenant):
        ids = list(GoldenQuestion.objects.values_list("id", flat=True))
        GoldenQuestion.objects.update(is_active=False)
    Tenant.objects.filter(pk=tenant.pk).update(evaluation_due_at=timezone.now())
    dispatch_evaluations()
    tenant.refresh_from_db()
    assert tenant.evaluation_due_at is None, "there is nothing to ask"
    with tenant_context(tenant):
        levels = tenant.access_levels
        update_golden_question(
            question_id=ids[0], changes={"is_active": True}, allowed_levels=levels
        )
    tenant.refresh_from_db()
    assert tenant.evaluation_due_at


def test_a_tenant_that_wants_no_nights_has_none(tenant):
    with tenant_context(tenant):
        set_nights(is_on=False, actor=None)
        add_golden_question(question="Another?", access_levels=["public"], created_by="tester")
    tenant.refresh_from_db()
    assert tenant.evaluation_due_at is None
    assert tenant.pk not in [each.pk for each in nightly.claim_due()]


def test_a_trial_is_compared_with_a_run_on_the_same_documents_that_is_made_first(tenant):
    trial = evaluate(tenant, trigger="trial", changes={"settings": {"min_similarity": 1.0}})
    with tenant_context(tenant):
        baseline, second = Evaluation.objects.order_by("created_at")
    assert second.id == trial.id
    assert baseline.changes == {} and baseline.summary["hit_rate"] == 1
    assert trial.summary["hit_rate"] == 0, "nothing is that near"
    assert trial.configuration["settings"]["min_similarity"] == 1.0
    tenant.refresh_from_db()
    assert tenant.min_similarity != 1.0, "what is tried is not saved"
    evaluate(tenant, trigger="trial", changes={"settings": {"top_k": 1}})
    with tenant_context(tenant):
        assert Evaluation.objects.count() == 3, "the baseline still holds"


def test_settings_that_changed_while_a_run_was_interrupted_are_not_mixed(tenant, monkeypatch):
    monkeypatch.setattr(work, "SLICE", 1)
    run = begin(tenant)

    def die(_):
        raise SystemExit

    with pytest.raises(SystemExit):
        run_next("first", tenant, tell=die)
    work.release_leases("first")
    Tenant.objects.filter(pk=tenant.pk).update(top_k=3)
    try:
        asked = []
        run_next("second", tenant, tell=lambda run: asked.append(run.done))
    finally:
        Tenant.objects.filter(pk=tenant.pk).update(top_k=5)
    assert asked == [1, 2, 3]
    assert read(tenant, run).configuration["settings"]["top_k"] == 3


def test_the_expected_path_of_a_document_that_is_not_there_is_simply_not_found(tenant):
    set_questions(tenant, QUESTIONS[0] | {"expected_paths": ["missing.md", PASSWORDS]})
    (result,) = evaluate(tenant).results
    assert (result["rank"], result["cited"]) == (1, 0.5)
    assert 0.5 < result["ndcg"] < 1


def test_the_next_index_is_tried_before_it_is_switched_on(tenant):
    start_reindex(tenant=tenant, actor=None, chunk_tokens=60, hold=True)
    while index_next_batch("tester", tenant=tenant):
        pass
    tenant.refresh_from_db()
    try:
        trial = evaluate(tenant, trigger="trial", changes={"next_index": True})
        with tenant_context(tenant):
            baseline = Evaluation.objects.order_by("created_at").first()
        assert baseline.configuration["generation"] == tenant.generation
        assert trial.configuration["generation"] == tenant.next_generation
        assert trial.configuration["chunk_tokens"] == 60
        assert trial.summary["hit_rate"] == 1
    finally:
        reindex.cancel(tenant, None)

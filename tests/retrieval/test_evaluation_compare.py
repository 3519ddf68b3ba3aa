"""Two runs told apart question by question, and what a reader may see of them."""

from __future__ import annotations

import json

import pytest
from django.core.management import call_command

from retrieval.evaluation.compare import compare, count_kinds, pair_of, word_diff
from retrieval.evaluation.configuration import say_differences
from retrieval.evaluation.judge import means_the_same
from retrieval.evaluation.visible import see_pairs, see_results
from retrieval.models import Document
from tenants.context import tenant_context
from tenants.models import Tenant
from tests.retrieval.golden import (
    PASSWORDS,
    QUESTIONS,
    evaluate,
    make_golden_tenant,
    set_questions,
)

EVERYBODY, STAFF = ["public"], ["public", "internal"]


@pytest.fixture(scope="module")
def library(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        return make_golden_tenant("golden-library")


@pytest.fixture
def tenant(library):
    set_questions(library, *QUESTIONS)
    return library


def result(**values):
    return {
        "id": "1", "question": "Why?", "is_right": True, "found": True, "rank": 1, "error": None,
        "answer": "So.", "cost_usd": "0.01", "duration_ms": 100.0,
    } | values  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (result(), result(is_right=False), "newly_wrong"),
        (result(is_right=False), result(), "newly_right"),
        (result(), result(error={"code": "x"}, is_right=None), "failed"),
        (result(error={"code": "x"}, is_right=None), result(), "recovered"),
        (result(rank=2), result(rank=1), "rank_better"),
        (result(), result(rank=None), "rank_worse"),
        (result(), result(answer="Because."), "answer"),
        (result(), result(question="Why then?", answer="Because."), "edited"),
        (result(is_right=None), result(is_right=False, must_contain=["25"]), "edited"),
        (result(), result(duration_ms=900.0), "same"),
        (None, result(), "added"),
        (result(), None, "removed"),
    ],
)
def test_what_changed_most_is_said_of_a_question(before, after, kind):
    assert pair_of(before, after).kind == kind


def test_what_got_worse_stands_first_and_differences_are_exact():
    old = [result(id="a"), result(id="b"), result(id="c", cost_usd=None)]
    new = [
        result(id="a"),
        result(id="b", is_right=False, cost_usd="0.013", duration_ms=90.5),
        result(id="c"),
    ]
    first, *_, last = compare(old, new)
    assert (first.result["id"], str(first.cost_change), first.latency_change) == (
        "b",
        "0.003",
        -9.5,
    )
    assert last.cost_change is None, "an unknown price is no difference of a cent"


def test_an_answers_words_are_told_apart():
    assert word_diff("valid for one hour", "valid for two hours") == [
        ("same", "valid for "), ("gone", "one"), ("new", "two"), ("same", " "),
        ("gone", "hour"), ("new", "hours"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("expected", "answer", "cosine", "same"),
    [
        ("For two hours.", "It is valid for 2 hours.", 0.9, True),
        ("For two hours.", "It is valid for three hours.", 0.9, False),
        ("On the 25th.", "They are paid on the 25th of each month.", 0.3, True),
        ("Call the help desk.", "Write a letter.", 0.3, False),
    ],
)
def test_an_answer_with_another_number_is_not_the_expected_one(expected, answer, cosine, same):
    assert means_the_same(expected, answer, cosine) is same


def test_who_lacks_the_levels_sees_neither_question_nor_answer(tenant):
    run = evaluate(tenant)
    with tenant_context(tenant):
        seen = see_results(run, EVERYBODY)
        assert seen.hidden == 1
        assert "25th" not in json.dumps(seen.results)
        assert see_results(run, STAFF).hidden == 0


def test_an_answer_from_a_document_that_was_raised_since_is_withheld(tenant):
    run = evaluate(tenant)
    with tenant_context(tenant):
        Document.objects.filter(path=PASSWORDS).update(access_level="internal")
        try:
            (reset, _), seen_by_staff = see_results(run, EVERYBODY).results, see_results(run, STAFF)
        finally:
            Document.objects.filter(path=PASSWORDS).update(access_level="public")
    assert reset["withheld"] and not reset["answer"] and not reset["hits"]
    assert "sign-in page" in seen_by_staff.results[0]["answer"]


def test_two_runs_say_in_what_they_differ(tenant):
    first = evaluate(tenant)
    Tenant.objects.filter(pk=tenant.pk).update(min_similarity=1.0)
    try:
        second = evaluate(tenant)
    finally:
        Tenant.objects.filter(pk=tenant.pk).update(min_similarity=0.2)
    with tenant_context(tenant):
        pairs, _ = see_pairs(first, second, STAFF)
    assert count_kinds(pairs) == {"newly_wrong": 2, "same": 1}
    assert say_differences(first.configuration, second.configuration) == [
        "Least similarity: 0.2 → 1"
    ]


def test_the_command_tells_what_changed_and_fails_a_pipeline_only_when_asked_to(tenant, capsys):
    call_command("evaluate", tenant.slug)
    Tenant.objects.filter(pk=tenant.pk).update(min_similarity=1.0)
    try:
        call_command("evaluate", tenant.slug)
        told = capsys.readouterr().out
        assert "hit rate" in told and "Newly wrong" in told and "Least similarity" in told
        Tenant.objects.filter(pk=tenant.pk).update(min_similarity=0.2)
        call_command("evaluate", tenant.slug)
        Tenant.objects.filter(pk=tenant.pk).update(min_similarity=1.0)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            call_command("evaluate", tenant.slug, "--json", "--fail-on-regression")
    finally:
        Tenant.objects.filter(pk=tenant.pk).update(min_similarity=0.2)
    assert ended.value.code == 2
    told = json.loads(capsys.readouterr().out)
    assert told["summary"]["hit_rate"] == 0
    assert told["previous"]["changes"]["newly_wrong"] == 2
    assert told["previous"]["figures"]["hit_rate"] == {"before": 1.0, "after": 0.0, "change": -1.0}

"""Golden questions: added, found again as the same, kept within the levels of whoever adds them."""

from __future__ import annotations

import uuid

import pytest

from ragadmin.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from retrieval.models import GoldenQuestion
from retrieval.services.golden import (
    add_golden_question,
    delete_golden_questions,
    update_golden_question,
    visible_questions,
)
from tenants.context import tenant_context
from tenants.services import create_tenant


@pytest.fixture(scope="module")
def shop(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        return create_tenant(slug=f"golden-shop-{uuid.uuid4().hex[:6]}")


@pytest.fixture
def add(shop):
    with tenant_context(shop):
        GoldenQuestion.objects.all().delete()

        def add(question="How do I reset it?", access_levels=("public",), **values):
            return add_golden_question(
                question=question, access_levels=access_levels, created_by="tester", **values
            )

        yield add


def test_the_same_question_in_other_letters_is_refused_with_the_one_that_is_there(add):
    first = add("How do I  reset it?", ["public", "internal"])
    with pytest.raises(Conflict) as refused:
        add(" how do I RESET it?", ["internal", "public"])
    assert refused.value.code == "golden_question_exists"
    assert refused.value.extra["golden_question"] == str(first.id)
    add("How do I reset it?", ["public"])  # asked as somebody else it is another question


def test_what_cannot_be_true_together_is_refused_with_the_field(add):
    with pytest.raises(InvalidRequest) as refused:
        add(must_abstain=True, expected_answer="From the sign-in page.")
    assert refused.value.extra["field"] == "expected_answer"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"question": " "}, "question"),
        ({"access_levels": []}, "access_levels"),
        ({"access_levels": ["secret"]}, "access_levels"),
        ({"expected_paths": [str(n) for n in range(21)]}, "expected_paths"),
        ({"must_contain": ["x" * 501]}, "must_contain"),
        ({"must_contain": "not a list"}, "must_contain"),
        ({"note": "x" * 2_001}, "note"),
    ],
)
def test_a_value_that_cannot_be_kept_is_named(add, values, field):
    with pytest.raises(InvalidRequest) as refused:
        add(**values)
    assert refused.value.extra["field"] == field


def test_nobody_asks_above_their_own_levels(add):
    with pytest.raises(PermissionDenied):
        add(access_levels=["internal"], allowed_levels=["public"])


def test_who_lacks_the_levels_neither_sees_nor_changes_a_question(add):
    row = add(access_levels=["public", "internal"], expected_answer="On the 25th.")
    assert not visible_questions(["public"]).exists()
    with pytest.raises(NotFound):
        update_golden_question(
            question_id=row.id, changes={"note": "seen"}, allowed_levels=["public"]
        )
    assert delete_golden_questions(ids=[row.id], allowed_levels=["public"]) == 0
    assert delete_golden_questions(ids=[row.id], allowed_levels=["internal", "public"]) == 1


def test_a_change_keeps_what_it_does_not_name_and_is_checked_as_a_whole(add):
    row = add(expected_paths=["a.md", "a.md", " "], note="why")
    changed = update_golden_question(
        question_id=row.id, changes={"question": "And this?"}, allowed_levels=["public"]
    )
    assert (changed.question, changed.expected_paths, changed.note) == (
        "And this?",
        ["a.md"],
        "why",
    )
    with pytest.raises(InvalidRequest):
        update_golden_question(
            question_id=row.id, changes={"must_abstain": True}, allowed_levels=["public"]
        )

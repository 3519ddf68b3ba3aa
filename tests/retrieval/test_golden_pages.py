"""The pages of golden questions and evaluations, as an owner and as an admin with fewer levels."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from retrieval.evaluation.work import run_next
from retrieval.models import Evaluation, GoldenQuestion
from retrieval.trial_form import GROUPS
from tenants.access import tenant_config
from tenants.context import tenant_context
from tenants.models import EvaluationJob, Tenant
from tenants.query_forms import values_of
from tests.retrieval.golden import QUESTIONS, evaluate, make_golden_tenant, set_questions
from tests.retrieval.pages import sign_in


@pytest.fixture(scope="module")
def museum(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        return make_golden_tenant("golden-museum")


@pytest.fixture(scope="module")
def browsers(museum, django_db_blocker):
    with django_db_blocker.unblock():
        owner = sign_in(museum, role="owner", levels=["public", "internal"])
        guide = sign_in(museum, role="admin", levels=["public"])
        member = sign_in(museum, role="member", levels=["public", "internal"])
        return {"owner": owner, "guide": guide, "member": member}


@pytest.fixture
def tenant(museum):
    set_questions(museum, *QUESTIONS)
    return museum


@pytest.fixture
def owner(browsers):
    return browsers["owner"]


@pytest.fixture
def guide(browsers):
    return browsers["guide"]


def page(tenant, path=""):
    return f"/t/{tenant.slug}/{path}"


def text(answer):
    assert answer.status_code == 200, answer
    return answer.content.decode()


def work_off(tenant):
    while run_next("worker", tenant):
        pass


def newest(tenant):
    with tenant_context(tenant):
        return Evaluation.objects.order_by("-created_at").first()


def test_questions_are_listed_searched_and_filtered_within_the_readers_levels(tenant, owner, guide):
    golden = page(tenant, "golden-questions/")
    assert text(owner.get(golden)).count("On which day are salaries paid?</a>") == 2
    seen = text(guide.get(golden))
    assert seen.count("On which day are salaries paid?</a>") == 1
    assert "1 more is asked as access levels" in seen
    assert "password reset?" not in text(owner.get(f"{golden}?show=abstain"))
    assert "No question matches" in text(owner.get(f"{golden}?q=unicorns"))
    part = text(owner.get(golden, headers={"hx-request": "true", "hx-target": "golden"}))
    assert part.lstrip().startswith("<section")


def test_a_question_is_added_refused_at_its_field_edited_and_deleted_with_its_count(tenant, owner):
    golden = page(tenant, "golden-questions/")
    sent = {"question": "Where is the exit?", "access_levels": ["public"], "is_active": "on"}
    lines = {"expected_paths": "guide/exit.md\nguide/map.md\n", "must_contain": "left"}
    assert owner.post(f"{golden}new/", sent | lines).status_code == 302
    with tenant_context(tenant):
        row = GoldenQuestion.objects.get(question="Where is the exit?")
    assert row.expected_paths == ["guide/exit.md", "guide/map.md"]
    assert "is-missing" in text(owner.get(golden)), "a path that leads nowhere is marked"
    assert "among the golden questions already" in text(owner.post(f"{golden}new/", sent))
    edit = f"{golden}{row.id}/"
    assert "guide/exit.md\nguide/map.md" in text(owner.get(edit))
    refused = owner.post(edit, sent | lines | {"must_abstain": "on"})
    assert "The right answer to this question is that there is none" in text(refused)
    assert owner.post(edit, sent | {"note": "asked daily"}).status_code == 302
    asked = text(owner.post(f"{golden}delete/", {"id": [row.id]}))
    assert "Delete 1 golden question?" in asked
    with tenant_context(tenant):
        assert GoldenQuestion.objects.get(id=row.id).note == "asked daily", "nothing is deleted yet"
    owner.post(f"{golden}delete/", {"id": [row.id], "agreed": "yes"})
    with tenant_context(tenant):
        assert not GoldenQuestion.objects.filter(id=row.id).exists()


def test_who_lacks_the_levels_reaches_a_question_by_no_page(tenant, guide, browsers):
    with tenant_context(tenant):
        row = GoldenQuestion.objects.get(access_levels=["public", "internal"])
    golden = page(tenant, "golden-questions/")
    assert guide.get(f"{golden}{row.id}/").status_code == 404
    guide.post(f"{golden}delete/", {"id": [row.id], "agreed": "yes"})
    exported = b"".join(guide.get(f"{golden}csv/").streaming_content).decode()
    assert "25th" not in exported and "sign-in page" in exported
    with tenant_context(tenant):
        assert GoldenQuestion.objects.filter(id=row.id).exists()
    for path in ("golden-questions/", "evaluation/", "evaluation/trial/"):
        assert browsers["member"].get(page(tenant, path)).status_code == 403


def test_a_file_with_a_wrong_line_is_shown_with_its_number(tenant, owner):
    path = page(tenant, "golden-questions/import/")
    wrong = SimpleUploadedFile("q.csv", b"question,must_abstain\nFine?,no\nWhat?,perhaps\n")
    told = text(owner.post(path, {"file": wrong}))
    assert "Nothing was imported: 1 line" in told and "perhaps" in told
    right = SimpleUploadedFile("q.csv", b"question;note\nFine?;x\n")
    assert owner.post(path, {"file": right}).status_code == 302


def test_an_evaluation_is_started_followed_and_shows_changes_first(tenant, owner, guide):
    started = owner.post(page(tenant, "evaluation/start/"))
    assert 'hx-trigger="every 2s"' in text(owner.get(started.url))
    assert "follow it" in text(owner.get(page(tenant, "evaluation/")))
    work_off(tenant)
    first = text(owner.get(started.url))
    assert "3 right, 0 wrong" in first and "sign-in page" in first
    Tenant.objects.filter(pk=tenant.pk).update(min_similarity=1.0)
    try:
        evaluate(tenant)
    finally:
        Tenant.objects.filter(pk=tenant.pk).update(min_similarity=0.2)
    second = page(tenant, f"evaluation/{newest(tenant).id}/")
    told = text(owner.get(second))
    assert "Least similarity: 0.2 → 1" in told and told.count("Newly wrong</span>") == 2
    assert text(owner.get(f"{second}?show=all")).count('class="evaluation-pair"') == 3
    seen = text(guide.get(second))
    assert "25th" not in seen and "access levels that you do not have" in seen
    charted = text(owner.get(page(tenant, "evaluation/")))
    assert "data-chart" in charted and "Over the last runs" in charted


def test_a_run_is_cancelled_and_the_nights_are_switched_off(tenant, owner):
    started = owner.post(page(tenant, "evaluation/start/"))
    owner.post(f"{started.url}cancel/")
    assert newest(tenant).status == "cancelled"
    assert not EvaluationJob.objects.filter(tenant=tenant).exists()
    owner.post(page(tenant, "evaluation/nightly/"), {"nightly": "off"})
    assert "by hand only" in text(owner.get(page(tenant, "evaluation/")))
    owner.post(page(tenant, "evaluation/nightly/"), {"nightly": "on"})
    tenant.refresh_from_db()
    assert tenant.evaluation_due_at


def test_entered_settings_are_carried_from_their_page_tried_and_saved(tenant, owner):
    trial = page(tenant, "evaluation/trial/")
    sent = {"top_k": "3", "search_mode": "keyword", "min_similarity": "0.2"}
    form = text(owner.post(trial, sent | {"prefill": "search"}))
    assert 'name="top_k" value="3"' in form and 'value="keyword" selected' in form
    assert 'id="knob-compress" checked' not in form, "a box that was not ticked is off"
    assert not newest(tenant), "nothing is asked by looking at the form"
    names = [name for group in GROUPS.values() for name in group]
    saved = values_of(tenant_config(tenant), names)
    same = {
        name: "" if value is None else value for name, value in saved.items() if value is not False
    }
    unchanged = text(owner.post(trial, same))
    assert "Nothing differs from the settings in force" in unchanged
    begun = owner.post(trial, same | {"top_k": 1, "min_similarity": 0.9})
    assert begun.status_code == 302
    work_off(tenant)
    told = text(owner.get(begun.url))
    assert "Passages per question: 5 passages → 1 passages" in told and "On trial" in told
    tenant.refresh_from_db()
    assert tenant.top_k == 5
    owner.post(f"{begun.url}save/")
    tenant.refresh_from_db()
    assert (tenant.top_k, tenant.min_similarity) == (1, 0.9)
    Tenant.objects.filter(pk=tenant.pk).update(top_k=5, min_similarity=0.2)

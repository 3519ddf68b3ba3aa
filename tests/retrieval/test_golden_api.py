"""Golden questions and evaluations over the API, and golden questions from and to CSV."""

from __future__ import annotations

import pytest

from ragadmin.csv_export import csv_text
from ragadmin.errors import InvalidRequest
from retrieval.evaluation.work import run_next
from retrieval.models import GoldenQuestion
from retrieval.services.golden import add_golden_question
from retrieval.services.golden_csv import export_rows, import_questions
from tenants.context import tenant_context
from tenants.keys import create_api_key
from tests.retrieval.golden import QUESTIONS, make_golden_tenant, set_questions

GOLDEN, EVALUATIONS = "/api/v1/golden-questions/", "/api/v1/evaluations/"


@pytest.fixture(scope="module")
def office(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        return make_golden_tenant("golden-office")


@pytest.fixture
def tenant(office):
    set_questions(office, *QUESTIONS)
    return office


@pytest.fixture
def call(tenant, client):
    """With a key of these levels and scopes: the body, once the status is as expected."""

    def call(method, path, body=None, *, status=200, levels=("public", "internal"), scope="admin"):
        with tenant_context(tenant):
            _, key = create_api_key(
                tenant=tenant, name="test", scopes=[scope], access_levels=levels, actor=None
            )
        answer = getattr(client, method)(
            path, body, content_type="application/json", headers={"authorization": f"Bearer {key}"}
        )
        assert answer.status_code == status, answer.content
        return answer.json() if answer.content else None

    return call


def test_a_question_is_made_read_changed_and_deleted(call):
    body = {"question": "What is the fee?", "must_contain": ["5 €"], "access_levels": ["public"]}
    made = call("post", GOLDEN, body, status=201)
    path = f"{GOLDEN}{made['id']}/"
    assert call("post", GOLDEN, body, status=409)["error"]["extra"]["golden_question"] == made["id"]
    assert call("patch", path, {"note": "since May"})["must_contain"] == ["5 €"]
    assert call("get", path)["note"] == "since May"
    assert call("get", f"{GOLDEN}?q=FEE")["count"] == 1
    call("delete", path, status=204)
    call("get", path, status=404)


def test_what_is_asked_above_the_callers_levels_is_not_there(call, tenant):
    with tenant_context(tenant):
        internal = GoldenQuestion.objects.get(access_levels=["public", "internal"])
    seen = call("get", GOLDEN, levels=["public"])
    assert str(internal.id) not in {row["id"] for row in seen["results"]}
    path = f"{GOLDEN}{internal.id}/"
    call("get", path, levels=["public"], status=404)
    call("patch", path, {"note": "x"}, levels=["public"], status=404)
    call("delete", path, levels=["public"], status=404)
    body = {"question": "New?", "access_levels": ["internal"]}
    call("post", GOLDEN, body, levels=["public"], status=403)


@pytest.mark.parametrize("path", [GOLDEN, EVALUATIONS])
def test_a_key_that_may_only_ask_is_kept_out(call, path):
    call("get", path, scope="query", status=403)
    call("post", path, {}, scope="query", status=403)


def test_an_evaluation_is_started_and_followed_and_told_within_the_callers_levels(call, tenant):
    run_id = call("post", EVALUATIONS, {}, status=202)["evaluation"]
    assert call("post", EVALUATIONS, {}, status=409)["error"]["code"] == "evaluation_running"
    assert call("get", f"{EVALUATIONS}{run_id}/")["status"] == "queued"
    assert run_next("worker", tenant)
    told = call("get", f"{EVALUATIONS}{run_id}/")
    assert (told["status"], told["summary"]["hit_rate"]) == ("succeeded", 1)
    assert (len(told["results"]), told["hidden_results"], told["previous"]) == (3, 0, None)
    outsider = call("get", f"{EVALUATIONS}{run_id}/", levels=["public"])
    assert (len(outsider["results"]), outsider["hidden_results"]) == (2, 1)
    assert call("get", EVALUATIONS)["results"][0]["id"] == run_id
    call("post", f"{EVALUATIONS}{run_id}/cancel/", status=409)


def test_settings_are_tried_over_the_api_and_nonsense_is_refused(call, tenant):
    trial = {"changes": {"settings": {"min_similarity": 1.0}}}
    run_id = call("post", EVALUATIONS, trial, status=202)["evaluation"]
    while run_next("worker", tenant):
        pass
    told = call("get", f"{EVALUATIONS}{run_id}/")
    assert told["previous"]["changes"] == {"newly_wrong": 2, "same": 1}
    assert told["previous"]["configuration_changes"] == ["Least similarity: 0.2 → 1"]
    for changes, field in (
        ({"settings": {"top_k": 0}}, "top_k"),
        ({"settings": {"nothing": 1}}, "nothing"),
        ({"model": "unheard-of"}, "model"),
    ):
        error = call("post", EVALUATIONS, {"changes": changes}, status=400)["error"]
        assert error["extra"]["field"] == field
    refused = call("post", EVALUATIONS, {"changes": {"next_index": True}}, status=409)
    assert refused["error"]["code"] == "no_reindex"


def import_(tenant, content, levels=("public", "internal")):
    with tenant_context(tenant):
        return import_questions(content, created_by="tester", allowed_levels=levels)


def test_what_was_exported_is_imported_as_it_was_formulas_and_all(tenant):
    with tenant_context(tenant):
        add_golden_question(
            question="=1+1?",
            access_levels=["public"],
            expected_paths=["a,b.md", "c.md"],
            expected_answer="-5 °C; “two”\nlines",
            created_by="tester",
        )
        exported = csv_text(export_rows(["public", "internal"]))
        before = list(GoldenQuestion.objects.order_by("key").values("key", "expected_answer"))
        GoldenQuestion.objects.all().delete()
    assert "\n=1" not in exported, "no spreadsheet calculates it"
    assert import_(tenant, exported.encode()).added == 4
    with tenant_context(tenant):
        after = list(GoldenQuestion.objects.order_by("key").values("key", "expected_answer"))
        assert GoldenQuestion.objects.get(question="=1+1?").expected_paths == ["a,b.md", "c.md"]
    assert after == before
    assert import_(tenant, exported.encode()).updated == 4


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffQuestion;Must abstain;Access levels\nIst es offen?;yes;public\n".encode(),
        "question\tmust_abstain\taccess_levels\nIst es offen?\tyes\tpublic\n".encode("utf-16"),
        b"question,must_abstain,access_levels\r\nIst es offen?,TRUE,public\r\n\r\n",
    ],
)
def test_files_are_read_as_spreadsheets_write_them(tenant, content):
    assert import_(tenant, content).added == 1
    with tenant_context(tenant):
        row = GoldenQuestion.objects.get(question="Ist es offen?")
        assert (row.must_abstain, row.access_levels, row.origin) == (True, ["public"], "csv")


def test_a_file_with_errors_names_their_lines_and_changes_nothing(tenant):
    content = (
        b'question,must_abstain,access_levels\n"two\nlines",,public\nGood?,maybe,public\n'
        b",,public\nOther?,,secret\n"
    )
    done = import_(tenant, content)
    assert [each.line for each in done.errors] == [4, 5, 6]
    assert done.added == 0
    with tenant_context(tenant):
        assert GoldenQuestion.objects.count() == 3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"question\n",
        b"a,b\n1,2\n",
        b"question,question\n1,2\n",
        b"question\n\xff\n",
        b"question,note\nWhy, and since when?,x\n",
    ],
)
def test_what_is_no_table_of_questions_is_refused(tenant, content):
    with pytest.raises(InvalidRequest):
        import_(tenant, content)


def test_a_file_changes_what_it_has_columns_for_and_asks_nothing_twice(tenant):
    content = b"question;access_levels;note;;\nHow is a password reset?;public;by Ann;;\n"
    assert import_(tenant, content).updated == 1
    with tenant_context(tenant):
        row = GoldenQuestion.objects.get(note="by Ann")
        assert row.must_contain == ["sign-in page"], "there is no column for it"
    twice = import_(tenant, content + b"how is a password  RESET?;public;by Bob;;\n")
    assert [(each.line, "Line 2" in each.message) for each in twice.errors] == [(3, True)]


def test_nobody_imports_above_their_own_levels(tenant):
    done = import_(tenant, b"question,access_levels\nNew?,internal\n", levels=["public"])
    assert len(done.errors) == 1

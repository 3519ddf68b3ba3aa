"""Made-up questions go the way of all questions, and are marked."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from io import StringIO
from random import Random

import pytest
from django.core.management import CommandError, call_command

from monitoring.models import DailyUsage
from monitoring.sums import add_up
from retrieval.demo import HANDBOOK, LOADED
from retrieval.models import Feedback, QueryTrace
from retrieval.simulation import demo
from retrieval.simulation.material import make_material
from retrieval.simulation.opinions import form_opinion
from retrieval.simulation.questions import QuestionMaker
from retrieval.simulation.sites import choose_sites
from retrieval.simulation.topics import Passage, topics_of
from retrieval.simulation.traffic import LABEL, Plan, Traffic
from tenants.audit import record_event
from tenants.context import tenant_context
from tenants.models import AuditEvent, Tenant
from tenants.removal import remove_tenant
from tenants.services import create_tenant
from tests.documents import DOCUMENTS, upload_and_index
from tests.monitoring.asking import make_tenant
from tests.monitoring.ledger import roll_up_all

PASSAGES = (
    Passage("Guide", "Passwords", "A password is reset from the sign-in page.", "public"),
    Passage("Guide", "How to log out", "You can close the page.", "public"),
    Passage("Payroll", "Salaries", "Salaries are paid on the 25th of each month.", "internal"),
)
ANSWER = {"abstained": False, "citations": [{}], "similarity": {"max": 0.7}, "cache": "none"}


def simulate(*args, **options):
    out = StringIO()
    call_command("simulate_traffic", *args, rate=500, json=True, stdout=out, **options)
    return json.loads(out.getvalue())


@pytest.fixture(scope="module")
def documented(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        return make_tenant()


def test_questions_are_made_from_sentences_and_headings_in_several_wordings():
    found = {topic.wordings for passage in PASSAGES for topic in topics_of(passage)}
    assert ("How is a password reset?", "Please tell me how a password is reset") in found
    assert ("When are salaries paid?", "Please tell me when salaries are paid") in found
    assert ("How do I log out?", "What is the way to log out?") in found


def test_a_reader_is_only_asked_for_what_the_reader_may_see():
    maker = QuestionMaker(make_material(PASSAGES), ("public", "internal"), Random(1))
    planned = [maker.next() for _ in range(400)]
    of_public = [one.question for one in planned if one.access_levels == ("public",)]
    assert of_public
    assert not [question for question in of_public if "salar" in question.lower()]
    assert [one for one in planned if "salaries" in one.question]


def test_questions_repeat_are_worded_anew_followed_up_and_sometimes_about_something_else():
    maker = QuestionMaker(make_material(PASSAGES), ("public",), Random(2))
    planned = [maker.next() for _ in range(300)]
    kinds = Counter(one.kind for one in planned)
    assert set(kinds) == {"new", "repeat", "paraphrase", "follow_up", "elsewhere"}
    for one in planned:
        assert one.follows is None or planned[one.follows].is_followed
    again = QuestionMaker(make_material(PASSAGES), ("public",), Random(2))
    assert [again.next() for _ in range(300)] == planned


def test_what_a_document_does_speak_of_is_not_asked_as_unanswerable():
    australia = Passage("Atlas", "Australia", "The capital of Australia is Canberra.", "public")
    questions = make_material([australia]).elsewhere
    assert questions
    assert "What is the capital of Australia?" not in questions
    assert make_material([]).elsewhere == ()


def test_thumbs_go_down_more_often_where_there_is_less_to_think_well_of():
    def downs(**values):
        opinions = [form_opinion({**ANSWER, **values}, Random(seed)) for seed in range(600)]
        return sum(one is not None and one.rating == "down" for one in opinions)

    well, far = downs(), downs(similarity={"max": 0.2})
    assert well < far < downs(citations=[]) < downs(abstained=True, citations=[])
    assert downs(abstained=True, cache="semantic") == 0


def test_the_live_path_answers_measures_and_marks_every_question(documented):
    tally = simulate(documented.slug, questions=40)
    assert (tally["asked"], tally["answered"]) == (40, 40)
    assert tally["errors"] == tally["refused"] == {}
    assert tally["cache"]["exact"] > 0
    with tenant_context(documented):
        traces = QueryTrace.objects.all()
        assert traces.count() == traces.filter(is_simulated=True, asked_by=LABEL).count() == 40
        assert traces.filter(conversation__isnull=False).exists()
        assert Counter(Feedback.objects.values_list("rating", flat=True)) == Counter(
            {name: count for name, count in tally["rated"].items() if count}
        )
        public = traces.filter(access_levels=["public"])
        assert public.exists()
        assert not [hit for one in public for hit in one.hits if hit["access_level"] != "public"]
    roll_up_all()
    sums = add_up(DailyUsage.objects.filter(tenant_id=documented.pk))
    assert (sums.questions, sums.simulated) == (40, 40)
    assert sums.up + sums.down == sum(tally["rated"].values())


def test_limits_hold_for_it_as_for_everybody(documented):
    documented.questions_per_minute = 4
    documented.save()
    tally = simulate(documented.slug, questions=10, seed=5)
    documented.questions_per_minute = None
    documented.status = Tenant.Status.SUSPENDED
    documented.save()
    assert simulate(documented.slug)["skipped"] == {documented.slug: "it is suspended"}
    documented.status = Tenant.Status.ACTIVE
    documented.save()
    assert tally["answered"] == 4
    assert tally["refused"] == {"rate_limited": 6}


def test_a_tenant_without_documents_is_left_out_and_said_so(tenant):
    out = StringIO()
    call_command("simulate_traffic", tenant.slug, stdout=out)
    assert f"{tenant.slug} is left out: it has no documents to ask about" in out.getvalue()
    for nobody in ("nobody-here", Tenant.CANARY_PREFIX + "one"):
        with pytest.raises(CommandError, match="There is no tenant"):
            call_command("simulate_traffic", nobody)


@pytest.fixture
def ctrl_c():
    """Works, also where the tests were started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: os.kill(os.getpid(), signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_it_and_leaves_no_question_without_an_end(documented, ctrl_c):
    sites, _ = choose_sites(documented.slug, "interrupted")
    asked = iter(range(1_000))

    def interrupt():
        if next(asked) == 3:
            ctrl_c()
        return False

    tally = Traffic(sites, Plan(1_000, 100.0), interrupt).run()
    assert tally.is_interrupted
    assert tally.asked < 100
    with tenant_context(documented):
        assert not QueryTrace.objects.filter(status="running").exists()


def test_an_error_ends_it_as_ctrl_c_does(documented):
    sites, _ = choose_sites(documented.slug, "broken")
    asked = iter([False] * 9)
    # A coroutine may not run out of an iterator.
    with pytest.raises(RuntimeError, match="StopIteration"):
        Traffic(sites, Plan(100, 500.0), lambda: next(asked)).run()
    with tenant_context(documented):
        assert not QueryTrace.objects.filter(status="running").exists()


@pytest.fixture
def handbook():
    tenant = create_tenant(slug=HANDBOOK)
    upload_and_index(tenant, DOCUMENTS)
    record_event(LOADED, actor=None)
    yield tenant
    remove_tenant(tenant=tenant, actor=None)
    AuditEvent.objects.filter(action__in=[LOADED, demo.ASKED]).delete()


def test_the_demo_is_asked_once_and_goes_on_after_a_restart(handbook, monkeypatch, with_endpoint):
    with_endpoint(handbook)
    monkeypatch.setattr(demo, "QUESTIONS", 8)
    monkeypatch.setattr(demo, "RATE", 500.0)
    asked = iter(range(100))
    assert demo.is_wanted()
    demo.ask_first_questions(lambda: next(asked) == 3)  # the worker is stopped
    assert demo.is_wanted()
    demo.ask_first_questions(lambda: False)
    assert not demo.is_wanted()
    with tenant_context(handbook):
        models = QueryTrace.objects.filter(is_simulated=True).values_list("model", flat=True)
        assert list(models) == ["extractive"] * 8  # and no model that somebody pays


@pytest.fixture
def with_endpoint():
    from tenants.models import Provider

    made = []

    def connect(tenant):
        made.append(
            Provider.objects.create(
                name="paid", base_url="http://127.0.0.1:9/v1", small_model="s", large_model="l"
            )
        )
        tenant.provider = made[0]
        tenant.save()

    yield connect
    for provider in made:
        provider.delete()

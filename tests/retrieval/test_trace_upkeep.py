"""Recorded questions are kept for as many days as a tenant says, and what is deleted is agreed to first."""

from __future__ import annotations

import html
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.urls import reverse

from retrieval.indexing.trace_upkeep import BATCH, forget_old
from retrieval.models import Conversation, Feedback, GoldenQuestion, QueryTrace
from tenants.context import tenant_context
from tenants.models import AuditEvent, Tenant
from tenants.services import create_tenant
from tests.retrieval.pages import make_trace, sign_in

MANY = """
INSERT INTO retrieval_querytrace (id, access_levels, question, status, created_at)
SELECT gen_random_uuid(), '{public}', 'q', 'succeeded', now() - interval '40 days'
FROM generate_series(1, %s)
"""


def keep(tenant, days):
    Tenant.objects.filter(pk=tenant.pk).update(trace_days=days)


def age(tenant, days, **which):
    with tenant_context(tenant):
        QueryTrace.objects.filter(**which).update(created_at=F("created_at") - timedelta(days=days))


def questions(tenant):
    with tenant_context(tenant):
        return set(QueryTrace.objects.values_list("question", flat=True))


@pytest.fixture
def traces(tenant):
    """Of forty days ago, each named for what it is; but for `young`."""
    with tenant_context(tenant):
        over, going_on = Conversation.objects.create(), Conversation.objects.create()
    made = {
        name: make_trace(tenant, question=name, **values)
        for name, values in {
            "plain": {"conversation": over},
            "liked": {"conversation": going_on},
            "open": {},
            "given since": {},
            "dismissed": {},
            "golden": {},
            "running": {"status": "running"},
        }.items()
    }
    with tenant_context(tenant):
        rate = Feedback.objects.create
        rate(trace=made["liked"], rating="up")
        rate(trace=made["open"], rating="down", new_trace_id=made["given since"].pk)
        rate(trace=made["dismissed"], rating="down", status="dismissed")
        GoldenQuestion.objects.create(
            key="k", question="q", access_levels=["public"], trace_id=made["golden"].pk
        )
    age(tenant, 40)
    make_trace(tenant, question="young", conversation=going_on)
    return made


STAYING = {"open", "given since", "golden", "running", "young"}


def test_old_questions_go_and_what_somebody_has_yet_to_look_at_stays(tenant, traces):
    other = create_tenant(slug=f"{tenant.slug}-b", isolation="shared")
    make_trace(other, question="theirs")
    age(other, 40)
    keep(tenant, 30)
    assert forget_old(tenant) == 3
    assert questions(tenant) == STAYING
    assert questions(other) == {"theirs"}
    with tenant_context(tenant):
        assert Feedback.objects.get().trace_id == traces["open"].pk
        assert Conversation.objects.get().pk == traces["liked"].conversation_id
    assert forget_old(tenant) == 0


def test_without_a_setting_nothing_is_deleted(tenant, traces):
    assert forget_old(tenant) == 0
    assert questions(tenant) == STAYING | {"plain", "liked", "dismissed"}


def test_more_than_a_batch_is_deleted_in_one_turn(tenant):
    with tenant_context(tenant), connection.cursor() as cursor:
        cursor.execute(MANY, [BATCH + 7])
    keep(tenant, 39)
    assert forget_old(tenant) == BATCH + 7


def test_the_page_says_first_how_much_is_deleted_and_saves_what_was_agreed_to(tenant, traces):
    admin, url = sign_in(tenant, role="admin"), reverse("settings-traces", args=[tenant.slug])
    page = html.unescape(admin.post(url, {"trace_days": "30"}).content.decode())
    assert "3 recorded questions" in page
    assert "3 older ones" in page
    assert "kept for ever" in admin.get(url).content.decode().replace("<strong>", "")
    admin.post(url, {"trace_days": "3", "agreed": "30"})
    assert Tenant.objects.get(pk=tenant.pk).trace_days is None
    admin.post(url, {"trace_days": "30", "agreed": "30"})
    assert Tenant.objects.get(pk=tenant.pk).trace_days == 30
    assert AuditEvent.objects.filter(tenant=tenant, action="tenant.changed").exists()
    admin.post(url, {"trace_days": ""})
    assert Tenant.objects.get(pk=tenant.pk).trace_days is None
    assert sign_in(tenant, role="member").get(url).status_code == 403


@pytest.mark.parametrize("days", ["0", "-1", "1.5", "nan", "9" * 30, "soon", "\x00"])
def test_days_that_mean_nothing_are_refused(tenant, days):
    admin = sign_in(tenant, role="admin")
    answer = admin.post(
        reverse("settings-traces", args=[tenant.slug]), {"trace_days": days, "agreed": days}
    )
    assert answer.context["form"].errors
    assert Tenant.objects.get(pk=tenant.pk).trace_days is None

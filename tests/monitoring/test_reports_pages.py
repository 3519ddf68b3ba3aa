"""Who sees which report, and what stands on it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from monitoring.models import DailyReport, DailyUsage, Notification, Notifier
from monitoring.reports.days import Day, today
from tenants.models import Tenant
from tenants.services import add_member
from tests.monitoring.ledger import roll_up_all
from tests.tenants.conftest import make_cast


@pytest.fixture(scope="module")
def people(answered, django_db_blocker):
    """Of the neighbour of the tenant that was asked, one of them its admin and one a member."""
    with django_db_blocker.unblock():
        roll_up_all()
        cast = make_cast()
        add_member(tenant=answered, user=cast["admin"], role="admin")
        add_member(tenant=answered, user=cast["member"], role="member")
    return cast


def day(tenant):
    return today(tenant, timezone.now()).isoformat()


def test_an_admin_reads_the_days_figures_and_questions_linked_to_their_traces(answered, people):
    client = people.client("admin")
    page = client.get(f"/t/{answered.slug}/reports/{day(answered)}/").content.decode()
    assert "p99" in page
    assert "When are salaries paid?" in page
    assert f"/t/{answered.slug}/traces/" in page
    listed = client.get(f"/t/{answered.slug}/reports/").content.decode()
    assert f"/t/{answered.slug}/reports/{day(answered)}/" in listed


@pytest.mark.parametrize("part", ["", "{day}/", "{day}/csv/", "{day}/mail/", "{day}/mail/?as=text"])
def test_nobody_but_the_tenants_admins_and_operators_opens_its_reports(answered, people, part):
    url = f"/t/{answered.slug}/reports/" + part.format(day=day(answered))
    status = {name: people.client(name).get(url).status_code for name in people.people}
    assert (status["admin"], status["operator"]) == (200, 200)
    assert status["member"] == 403
    assert {status[name] for name in ("owner", "stranger", "neighbour")} == {404}


def test_the_fleets_reports_are_for_operators_and_hold_no_question(answered, people):
    url = f"/operator/reports/{day(None)}/"
    assert people.client("admin").get(url).status_code == 404
    for part in ("", "csv/", "mail/", "mail/?as=text"):
        reply = people.client("operator").get(url + part)
        assert reply.status_code == 200
        assert (
            answered.name in reply.getvalue().decode() or answered.slug in reply.getvalue().decode()
        )
        assert "salaries" not in reply.getvalue().decode()


@pytest.mark.parametrize("wrong", ["2999-01-01", "today", "2026-13-01"])
def test_a_day_that_means_nothing_or_has_not_come_is_refused_in_words(answered, people, wrong):
    for part in ("", "csv/", "mail/"):
        reply = people.client("admin").get(f"/t/{answered.slug}/reports/{wrong}/{part}")
        assert reply.status_code == 400
        assert "There is no report of this day" in reply.content.decode()


def test_figures_that_changed_since_the_report_was_made_are_told(answered, people):
    date = today(answered, timezone.now())
    stored = DailyReport.objects.create(tenant=answered, date=date, figures={"total_queries": 4})
    page = people.client("admin").get(f"/t/{answered.slug}/reports/{date}/").content.decode()
    assert "Questions: 4 then, 5 now" in page
    stored.delete()


def test_a_day_whose_questions_are_forgotten_does_not_say_that_all_went_well(answered, people):
    date = today(answered, timezone.now()) - timedelta(days=3)
    row = DailyUsage.objects.create(
        tenant_id=answered.pk, starts_at=Day(date, answered).period.start, model="m", questions=9
    )
    Tenant.objects.filter(pk=answered.pk).update(trace_days=2)
    page = people.client("admin").get(f"/t/{answered.slug}/reports/{date}/").content.decode()
    Tenant.objects.filter(pk=answered.pk).update(trace_days=None)
    row.delete()
    assert "kept for 2 days" in page
    assert "None of them failed" not in page


def test_a_mail_that_did_not_arrive_is_not_called_sent(answered, people):
    date = today(answered, timezone.now())
    stored = DailyReport.objects.create(tenant=answered, date=date, sent_at=timezone.now())
    notifier = Notifier.objects.create(tenant=answered, kind="email", target="a@example.com")
    Notification.objects.create(
        notifier=notifier,
        event="report",
        status="failed",
        payload={"report": {"extra": {"date": date.isoformat()}}},
    )
    page = people.client("admin").get(f"/t/{answered.slug}/reports/").content.decode()
    assert "1 not delivered" in page
    notifier.delete()
    stored.delete()

"""Reports of days that ended: made once, sent once, and only to whom they are for."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone

from monitoring import outbox
from monitoring.models import DailyReport, DailyUsage, Notification, Notifier
from monitoring.reports import message
from monitoring.reports.daily import CATCH_UP_DAYS, make_due_reports
from monitoring.reports.days import Day
from monitoring.rollups import roll_up
from retrieval.models import QueryTrace
from tenants.context import tenant_context
from tenants.models import Tenant
from tenants.services import add_member, create_user

MAILED = override_settings(
    EMAIL_URL="smtp://mail.example.com",
    EMAIL_BACKEND="django.core.mail.backends.locmem.EmailBackend",
)


@pytest.fixture(autouse=True)
def up_to_date(database):
    """All days that other tests' tenants have had are done with, and everything is summed up."""
    roll_up()
    make_due_reports()
    yield
    Notifier.objects.all().delete()


@pytest.fixture
def yesterdays(tenant):
    """A tenant with three questions yesterday, in a zone whose day ended long ago."""
    return ask_yesterday(tenant, "UTC")


def ask_yesterday(tenant, zone, days=1):
    made_at = timezone.now() - timedelta(days=days + 1)
    Tenant.objects.filter(pk=tenant.pk).update(timezone=zone, created_at=made_at)
    tenant.refresh_from_db()
    for back in range(1, days + 1):
        DailyUsage.objects.create(
            tenant_id=tenant.pk,
            starts_at=day_of(tenant, back).period.start,
            model="m",
            cache="none",
            questions=3,
        )
    return tenant


def day_of(tenant, back=1):
    return Day((timezone.now().astimezone(UTC) - timedelta(days=back)).date(), tenant)


def reports_of(tenant):
    return list(DailyReport.objects.filter(tenant=tenant).order_by("date"))


def tell(tenant, target="somebody@example.com", kind="email"):
    return Notifier.objects.create(
        tenant=tenant, name="n", kind=kind, target=target, sends_reports=True
    )


def test_a_day_that_ended_is_reported_once_however_often_it_is_looked_for(yesterdays):
    tell(yesterdays)
    assert make_due_reports() >= 1
    assert make_due_reports() == 0
    (report,) = [one for one in reports_of(yesterdays) if one.figures["total_queries"]]
    assert report.date == day_of(yesterdays).date
    assert report.figures["total_queries"] == 3
    assert Notification.objects.filter(event="report").count() == 1


def test_two_workers_at_once_send_it_once(yesterdays):
    tell(yesterdays)
    barrier, made = threading.Barrier(2), []

    def work():
        barrier.wait()
        made.append(make_due_reports())
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    dates = [one.date for one in reports_of(yesterdays)]
    assert sum(made) == len(dates) == len(set(dates))
    assert Notification.objects.filter(event="report").count() == 1


def test_after_a_standstill_days_are_made_up_for_and_only_the_last_is_sent(tenant):
    ask_yesterday(tenant, "UTC", days=CATCH_UP_DAYS + 5)
    tell(tenant)
    make_due_reports()
    assert len(reports_of(tenant)) == CATCH_UP_DAYS
    assert [bool(one.sent_at) for one in reports_of(tenant)] == [False] * (CATCH_UP_DAYS - 1) + [
        True
    ]
    assert Notification.objects.filter(event="report").count() == 1


def test_a_day_without_a_question_is_kept_and_not_sent(tenant):
    Tenant.objects.filter(pk=tenant.pk).update(created_at=timezone.now() - timedelta(days=2))
    tell(tenant)
    make_due_reports()
    assert reports_of(tenant)
    assert not Notification.objects.filter(event="report").exists()


def test_a_tenants_day_ends_at_its_own_midnight(tenant):
    ask_yesterday(tenant, "America/New_York", days=4)
    midnight = day_of(tenant, 1).date
    at = datetime(midnight.year, midnight.month, midnight.day, tzinfo=UTC)
    before = midnight - timedelta(days=1)
    make_due_reports(at + timedelta(hours=3))  # there it is still the evening before
    assert before not in [one.date for one in reports_of(tenant)]
    make_due_reports(at + timedelta(hours=6))
    assert before in [one.date for one in reports_of(tenant)]


def test_what_is_not_summed_up_yet_waits(yesterdays):
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolled_up_at FROM monitoring_rollupstate")
        (at,) = cursor.fetchone()
        cursor.execute("UPDATE monitoring_rollupstate SET rolled_up_at = now() - interval '3 days'")
    try:
        make_due_reports()
        assert day_of(yesterdays).date not in [one.date for one in reports_of(yesterdays)]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE monitoring_rollupstate SET rolled_up_at = %s", [at])
    make_due_reports()
    assert day_of(yesterdays).date in [one.date for one in reports_of(yesterdays)]


def test_what_is_due_is_found_for_all_tenants_at_once():
    with CaptureQueriesContext(connection) as queries:
        assert make_due_reports() == 0
    assert len(queries) <= 2


@MAILED
def test_a_mail_has_text_and_html_and_tells_strangers_no_question(yesterdays):
    trace(yesterdays, "Why is the <b>kettle</b> cold?")
    tell(yesterdays)
    sent = send(yesterdays)
    html, kind = sent.alternatives[0]
    assert kind == "text/html"
    assert "Questions: 3" in sent.body
    assert ">3<" in html
    assert "kettle" not in sent.body + html


@MAILED
def test_admins_are_told_the_questions_and_nothing_of_another_tenant(yesterdays):
    trace(yesterdays, "Why is the <b>kettle</b> cold?")
    admin = create_user(email=f"admin-{yesterdays.slug}@example.com", password=None)
    add_member(tenant=yesterdays, user=admin, role="admin")
    tell(yesterdays, admin.email)
    sent = send(yesterdays)
    assert "Why is the <b>kettle</b> cold?" in sent.body
    assert "Why is the &lt;b&gt;kettle&lt;/b&gt; cold?" in sent.alternatives[0][0]
    stored = json.dumps(list(Notification.objects.values_list("payload", flat=True)))
    assert "kettle" not in stored + json.dumps([one.figures for one in reports_of(yesterdays)])


def test_a_member_or_an_admin_of_another_tenant_is_no_admin_here(yesterdays):
    member = create_user(email=f"member-{yesterdays.slug}@example.com", password=None)
    add_member(tenant=yesterdays, user=member, role="member")
    admin = create_user(email=f"admin2-{yesterdays.slug}@example.com", password=None)
    add_member(tenant=yesterdays, user=admin, role="owner")
    assert message.goes_to_admins(tell(yesterdays, admin.email))
    both = Notifier(tenant=yesterdays, kind="email", target=f"{admin.email}\n{member.email}")
    assert not message.goes_to_admins(both)
    assert not message.goes_to_admins(Notifier(kind="email", target=admin.email))
    assert not message.goes_to_admins(
        Notifier(tenant=yesterdays, kind="webhook", target=admin.email)
    )


def trace(tenant, question):
    with tenant_context(tenant):
        made = QueryTrace.objects.create(
            question=question,
            access_levels=["public"],
            status="failed",
            error_code="model_error",
        )
        QueryTrace.objects.filter(pk=made.pk).update(
            created_at=day_of(tenant).period.start + timedelta(hours=1)
        )


def send(tenant):
    mail.outbox.clear()
    make_due_reports()
    outbox.send_due()
    (sent,) = [one for one in mail.outbox if tenant.slug in one.body + one.subject]
    return sent

"""The figures of a day, as every reader gets them."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from monitoring.models import DailyUsage
from monitoring.reports.days import Day, read_day, today
from monitoring.reports.figures import KEYS, read_report, read_reports
from monitoring.reports.words import differences, lines_of
from ragadmin.errors import InvalidRequest
from tenants.keys import create_api_key
from tenants.models import Tenant
from tests.monitoring.asking import ask_all
from tests.monitoring.conftest import rate
from tests.monitoring.ledger import roll_up_all

ROUTE = "/api/v1/reports/daily/"
# Of an answer of the stub model by its price, and no answer costs more.
SOME_USD = 0.0


def key_of(tenant, scopes=("admin",)):
    levels = ["public", "internal"] if tenant else []
    _, key = create_api_key(tenant=tenant, name="reader", scopes=list(scopes), access_levels=levels)
    return {"authorization": f"Bearer {key}"}


def get(whose=None, scopes=("admin",), **query):
    return Client().get(ROUTE, query, headers=key_of(whose, scopes))


@pytest.fixture(scope="module")
def counted(answered, django_db_blocker):
    with django_db_blocker.unblock():
        roll_up_all()
    return answered


def test_the_report_has_exactly_the_seven_figures_and_what_is_behind_them(counted):
    reply = get(counted, date=str(today(counted, timezone.now())))
    report = reply.json()
    assert reply.status_code == 200
    assert set(report) == {*KEYS, "extra"}
    assert report["total_queries"] == 5
    assert report["cache_hit_rate"] == 0.2
    assert report["thumbs_down_rate"] == 0.5
    assert 0 < report["p50_latency_ms"] <= report["p99_latency_ms"]
    assert 0 < report["avg_similarity"] <= 1
    spent = sum(each["cost_usd"] for each in report["extra"]["cost_by_component"])
    assert report["daily_cost"] == pytest.approx(spent)
    assert report["daily_cost"] > SOME_USD
    assert report["extra"]["change"]["total_queries"] == {
        "before": 0,
        "difference": 5,
        "relative": None,
    }
    assert report["extra"]["ratings"] == {"up": 1, "down": 1}


def test_the_command_prints_the_same_report(counted):
    out, day = StringIO(), str(today(counted, timezone.now()))
    call_command("daily_report", date=day, tenant=counted.slug, json=True, stdout=out)
    printed, fetched = json.loads(out.getvalue()), get(counted, date=day).json()
    assert {key: printed[key] for key in KEYS} == {key: fetched[key] for key in KEYS}
    assert "worst_questions" not in printed["extra"]


def test_without_any_question_there_are_nulls_and_no_zeros(tenant):
    # Its first day, so that there is no whole one before.
    report = get(tenant).json()
    assert report["total_queries"] == 0
    assert [report[key] for key in KEYS[1:]] == [None] * 6
    assert report["extra"]["state"] == "running"


def test_a_day_before_the_tenant_was_made_says_so(counted):
    report = get(counted, date="2020-02-29").json()
    assert report["extra"]["state"] == "before"
    assert "nothing was measured" in report["extra"]["note"]


@pytest.mark.parametrize(
    ("date", "code"),
    [
        ("2999-01-01", "future_date"),
        ("yesterday", "invalid_request"),
        ("20260301", "invalid_request"),
        ("2026-02-30", "invalid_request"),
        ("0001-01-01", "invalid_request"),
        ("2026-03-01\0", "invalid_request"),
    ],
)
def test_a_date_that_means_nothing_or_has_not_come_is_refused(counted, date, code):
    reply = get(counted, date=date)
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == code
    assert reply.json()["error"]["extra"]["field"] == "date"


def test_it_is_tomorrow_in_one_zone_before_it_is_in_another():
    now, began = datetime(2031, 5, 20, 23, 0, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
    east = Tenant(slug="east", timezone="Pacific/Auckland")
    assert read_day("2031-05-21", east, began_at=began, now=now).date.day == 21
    with pytest.raises(InvalidRequest, match="has not come yet: in UTC it is 2031-05-20"):
        read_day("2031-05-21", None, began_at=began, now=now)


@pytest.mark.parametrize(
    ("date", "hours"), [("2031-03-30", 23), ("2031-10-26", 25), ("2031-10-27", 24)]
)
def test_a_day_on_which_clocks_are_set_has_all_its_hours_and_no_other(tenant, date, hours):
    tenant.timezone = "Europe/Berlin"
    day = read_day(date, tenant, began_at=tenant.created_at, now=datetime(2032, 1, 1, tzinfo=UTC))
    assert day.hours == hours
    rows = [day.period.start, day.period.end, day.before.period.start]
    for questions, starts_at in zip((3, 50, 2), rows, strict=True):
        DailyUsage.objects.create(
            tenant_id=tenant.pk, starts_at=starts_at, model="m", cache="none", questions=questions
        )
    report = read_report(day, now=datetime(2032, 1, 1, tzinfo=UTC))
    assert (report.sums.questions, report.before.questions) == (3, 2)


def test_a_row_is_of_the_day_that_its_noon_is_in(tenant):
    """In Havana midnight comes twice; the database takes the second one."""
    tenant.timezone = "America/Havana"
    now = datetime(2032, 1, 1, tzinfo=UTC)
    day = read_day("2031-11-02", tenant, began_at=tenant.created_at, now=now)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT date_trunc('day', '2031-11-02T17:00Z'::timestamptz, 'America/Havana')"
        )
        (second,) = cursor.fetchone()
    assert second > day.period.start
    for questions, starts_at in ((3, second), (50, day.period.start - timedelta(hours=24))):
        DailyUsage.objects.create(
            tenant_id=tenant.pk, starts_at=starts_at, model="m", cache="none", questions=questions
        )
    report = read_report(day, now=now)
    assert (report.sums.questions, report.before.questions) == (3, 50)


def test_an_unknown_price_is_unknown_and_never_free(tenant):
    day = Day(today(tenant, timezone.now()), tenant)
    row = DailyUsage(tenant_id=tenant.pk, starts_at=day.period.start, model="m", cache="none")
    row.questions = row.unpriced = 2
    row.save()
    report = read_report(day, now=timezone.now()).as_json()
    assert report["daily_cost"] is None
    assert report["extra"]["unpriced_answers"] == 2
    row.cost_usd = Decimal("0.5")
    row.save()
    lines = {line.key: line for line in lines_of(read_report(day, now=timezone.now()).as_json())}
    assert lines["daily_cost"].value == "$0.50"
    assert lines["daily_cost"].detail == "and 2 answers of unknown price"


def test_reports_of_many_days_take_as_many_queries_as_one(counted):
    present = today(counted, timezone.now())
    for count in (1, 30):
        days = [Day(present - timedelta(days=back), counted) for back in range(count)]
        with CaptureQueriesContext(connection) as queries:
            read_reports(days, now=timezone.now())
        assert len(queries) <= 4


def test_a_late_rating_changes_the_figures_and_is_told(counted):
    present = today(counted, timezone.now())
    before = read_report(Day(present, counted), now=timezone.now()).as_json()
    (answer,) = ask_all(counted, ("Is a password reset from the sign-in page?",))
    rate(counted, answer, "down")
    roll_up_all()
    after = read_report(Day(present, counted), now=timezone.now()).as_json()
    labels = {each.label for each in differences(before, after)}
    assert {"Questions", "Thumbs down"} <= labels
    assert differences(after, after) == []


def test_worst_questions_are_for_those_who_may_read_them_all(counted):
    day = str(today(counted, timezone.now()))
    worst = get(counted, date=day).json()["extra"]["worst_questions"]
    down = next(each for each in worst if each["kind"] == "rated_down")
    assert down["question"]
    operators = get(None, scopes=["operator"], date=day, tenant=counted.slug).json()
    assert operators["total_queries"] >= 5
    assert "worst_questions" not in operators["extra"]
    assert get(counted, scopes=["query"], date=day).status_code == 403


def test_no_key_opens_another_tenants_report(counted, tenant):
    # Where the other tenant is, tomorrow may have come already.
    day = str(today(tenant, timezone.now()))
    assert get(tenant, date=day, tenant=counted.slug).status_code == 403
    assert get(tenant, date=day).json()["total_queries"] == 0
    assert Client().get(ROUTE, {"date": day}).status_code == 401


def test_the_fleets_report_has_numbers_of_tenants_and_no_question(counted):
    reply = get(None, scopes=["operator"], date=str(today(None, timezone.now())))
    rows = {row["slug"]: row for row in reply.json()["extra"]["tenants"]}
    assert rows[counted.slug]["total_queries"] >= 5
    assert "worst_questions" not in reply.json()["extra"]
    assert "password" not in reply.text


def test_a_cell_of_the_csv_is_never_a_formula(counted):
    ask_all(
        counted, ('=HYPERLINK("http://example.com","reset my password")',), model="mock-0-fail-500"
    )
    day = str(today(counted, timezone.now()))
    reply = get(counted, date=day, format="csv")
    assert reply["Content-Type"].startswith("text/csv")
    rows = list(csv.reader(io.StringIO(reply.content.decode("utf-8-sig"))))
    assert [row[1] for row in rows if row[0] == "report"] == list(KEYS)
    cells = [row[1] for row in rows if row[0] in {"worst_questions", "gaps"}]
    assert any("HYPERLINK" in cell for cell in cells)
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@"))]

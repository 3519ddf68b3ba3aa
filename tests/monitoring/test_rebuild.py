"""Books made anew from the traces equal those that were kept all along, to the byte."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from monitoring.changed_zones import follow_time_zones
from monitoring.models import DailyUsage, HourlyUsage, QueryMetric, RollupState
from monitoring.rebuild import ALL_SPENDING, ALL_USAGE, rebuild_usage
from monitoring.rollups import roll_up
from retrieval.models import QueryTrace
from tenants.context import tenant_context
from tests.monitoring.asking import QUESTIONS, ask_all, make_tenant
from tests.monitoring.conftest import rate
from tests.monitoring.ledger import add_metrics, fleet_sums, roll_up_all

LIKE = "How can I reset my password?"
AGO = {"retrieval_querytrace": "created_at", "public.monitoring_querymetric": "asked_at"}


def move_back(tenant, hours):
    """As if all that is not counted yet had been asked so long ago, each an hour apart."""
    with tenant_context(tenant), connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.id FROM retrieval_querytrace t JOIN monitoring_querymetric q ON q.answer_id = t.id"
            " AND q.entry = 'answer' WHERE q.xid::text::bigint >= split_part((SELECT snapshot FROM"
            " monitoring_rollupstate), ':', 2)::bigint ORDER BY t.created_at"
        )
        for place, (answer_id,) in enumerate(cursor.fetchall()):
            ago = timedelta(hours=hours + place)
            for table, column in AGO.items():
                key = "id" if column == "created_at" else "answer_id"
                cursor.execute(
                    f"UPDATE {table} SET {column} = {column} - %s WHERE {key} = %s",
                    [ago, answer_id],
                )


def books(of=None):
    """All rows of usage and spending, as they are told apart, without their keys."""
    found = {}
    for model in (*ALL_USAGE, *ALL_SPENDING):
        names = [field.name for field in model._meta.fields if field.name != "id"]
        rows = model.objects.all() if of is None else model.objects.filter(tenant_id=of.pk)
        values = [
            tuple(bytes(each) if isinstance(each, memoryview) else each for each in row)
            for row in rows.values_list(*names)
        ]
        found[model.__name__] = sorted(values, key=repr)
    return found


@pytest.fixture(scope="module")
def tenants(django_db_setup, django_db_blocker):
    """Two time zones half a day apart; over some days errors, several models, hits, samples, thumbs
    that change; summed up bit by bit."""
    with django_db_blocker.unblock():
        first, second = make_tenant("Asia/Kolkata"), make_tenant("America/St_Johns")
        for tenant, hours in ((first, 50), (second, 30)):
            sampled = {"shadow_share": 1.0, "similarity_threshold": 0.75}
            answers = ask_all(tenant, (*QUESTIONS, QUESTIONS[0], LIKE), **sampled)
            rate(tenant, answers[0], "up")
            move_back(tenant, hours)
            roll_up_all()
            ask_all(tenant, ["Why are salaries paid monthly?"], model="mock-drop-3", cache=False)
            ask_all(tenant, QUESTIONS[:2], model="mock-0-5-0", cache=False, simulated=True)
            rate(tenant, answers[0], "down")
            rate(tenant, answers[1], "down")
            roll_up_all()
            rate(tenant, answers[1], "up")
        roll_up_all()
    return first, second


def test_rebuilt_books_equal_the_kept_ones(tenants):
    first, second = tenants
    kept = books()
    sums = rebuild_usage(first).after
    assert (sums.questions, sums.errors, sums.samples, sums.up, sums.down) == (9, 1, 1, 1, 1)
    assert sums.simulated == 2
    rebuilt = rebuild_usage(second)
    assert rebuilt.days >= 2
    assert rebuilt.before == rebuilt.after
    assert books() == kept
    assert roll_up() == 0, "what was made anew is counted already"


def test_damaged_rows_are_right_again(tenants):
    first, _ = tenants
    kept = books(first)
    day = HourlyUsage.objects.filter(tenant_id=first.pk).order_by("day").first().day
    HourlyUsage.objects.filter(tenant_id=first.pk, day=day).update(questions=99, latency=b"")
    DailyUsage.objects.filter(tenant_id=first.pk, starts_at=day).delete()
    date = (day + timedelta(hours=12)).date()
    out = StringIO()
    call_command(
        "rebuild_usage", first.slug, f"--from={date}", f"--to={date}", "--json", stdout=out
    )
    assert json.loads(out.getvalue())[0]["days"] == 1
    assert books(first) == kept


def test_an_answer_that_nobody_counted_yet_is_counted_once(tenants):
    first, _ = tenants
    before, of_fleet = rebuild_usage(first).after, fleet_sums()
    ask_all(first, QUESTIONS[:1])
    assert rebuild_usage(first).after.questions == before.questions + 1
    roll_up_all()
    assert rebuild_usage(first).after.questions == before.questions + 1
    assert fleet_sums().questions == of_fleet.questions + 1


def test_answers_that_are_counted_and_not_stored_any_more_stay_counted(tenants):
    _, second = tenants
    before, of_fleet = rebuild_usage(second).after, fleet_sums()
    with tenant_context(second):
        QueryTrace.objects.filter(feedback=None).order_by("created_at").first().delete()
    rebuilt = rebuild_usage(second)
    assert (rebuilt.kept_answers, rebuilt.after) == (1, before)
    assert fleet_sums() == of_fleet


def test_days_whose_metrics_were_dropped_stay_as_they_are(tenant):
    long_ago = datetime(2020, 5, 5, 12, tzinfo=UTC)
    add_metrics(tenant.pk, long_ago, count=3)
    roll_up_all()
    RollupState.objects.update(kept_from=long_ago + timedelta(100))
    QueryMetric.objects.filter(tenant_id=tenant.pk).delete()
    before = books()
    rebuilt = rebuild_usage(tenant)
    assert (rebuilt.days, len(rebuilt.kept_days), rebuilt.after.questions) == (0, 1, 3)
    assert books() == before


def test_another_time_zone_moves_the_hours_and_days(tenants):
    first, _ = tenants
    before, of_fleet = rebuild_usage(first).after, fleet_sums()
    first.timezone = "Pacific/Auckland"
    first.save()
    assert first.pk in follow_time_zones(), "nobody has to ask for it"
    assert first.pk not in follow_time_zones()
    assert rebuild_usage(first).before == before
    assert fleet_sums() == of_fleet
    starts = DailyUsage.objects.filter(tenant_id=first.pk).values_list("starts_at", flat=True)
    assert {start.minute for start in starts} == {0}

"""A rule tried on the past does what the watch would have done."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitoring.alerts import evaluate_rules
from monitoring.metrics import METRICS
from monitoring.models import Alert, HourlySpending, SyncOutcome, TenantDay
from monitoring.past_figures import PASTS
from monitoring.preview import DAYS, preview_rule
from monitoring.preview_chart import preview_chart
from monitoring.recent import series, sums_of_window, window_start
from monitoring.sums import COUNTS
from tenants.budgets import set_budget
from tenants.models import IsolationRun, Tenant
from tests.monitoring.alerting import NOON, make_rule, make_tenants, minutes, used

pytestmark = pytest.mark.usefixtures("no_other_rules")
STEP = minutes(5)


@pytest.fixture(scope="module")
def tenant(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        return make_tenants(1)[0]


@pytest.fixture
def bad_hours(tenant):
    """Three hours up to noon with two bad stretches, a gap, and two models in one of them."""
    errors = [0, 0, 40, 60, 5, 0, 0, 0, None, None, 0, 0, 0, 8, 30, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    for place, count in enumerate(errors):
        if count is not None:
            at = NOON - STEP * (len(errors) - place)
            used(tenant, at, errors=count, latency=[100.0 * (place + 1)] * 7)
    used(tenant, NOON - STEP * 20, model="small", errors=90, latency=[9000.0] * 3)


@pytest.mark.parametrize(
    "values",
    [
        {"warning_threshold": 0.05, "alert_threshold": 0.2, "window_minutes": 5},
        {"alert_threshold": 0.15, "window_minutes": 15, "minimum_count": 250, "no_data": "keep"},
        {"metric": "p99_latency", "alert_threshold": 2000, "window_minutes": 30},
        {"metric": "questions", "comparison": "below", "alert_threshold": 10, "minimum_count": 0,
         "window_minutes": 5},
    ],
)  # fmt: skip
def test_a_preview_equals_what_the_watch_would_have_done(tenant, bad_hours, values):
    rule = make_rule(tenant, **values)
    (preview,) = preview_rule(rule, NOON)
    start = NOON - STEP * 26
    at = start
    while at <= NOON:
        evaluate_rules(at)
        at += STEP
    watched = [
        (alert.opened_at, alert.resolved_at, pytest.approx(alert.worst_value))
        for alert in Alert.objects.filter(rule=rule).order_by("opened_at")
    ]
    # What has begun before the watch did cannot be compared.
    previewed = [
        (max(each.opened_at, start), each.resolved_at, each.worst_value)
        for each in preview.episodes
        if each.resolved_at is None or each.resolved_at > start
    ]
    assert previewed == watched
    assert watched, "the rule was broken at all"


def test_sums_along_the_time_are_those_of_each_window(tenant, bad_hours):
    for at, sums in series(tenant.pk, NOON - STEP * 22, NOON, 15):
        alone = sums_of_window(window_start(at, 15), at, tenant_ids=[tenant.pk], fleet=False)
        expected = alone.get(tenant.pk)
        for name in COUNTS:
            assert getattr(sums, name) == (getattr(expected, name) if expected else 0)
        for share in (0.5, 0.99):
            wanted = expected.latency.percentile(share) if expected else None
            assert sums.latency.percentile(share) == wanted


def test_the_chart_shows_the_worst_of_each_hour_beside_the_thresholds(tenant, bad_hours):
    rule = make_rule(tenant, alert_threshold=0.15, window_minutes=5)
    chart = preview_chart(rule, preview_rule(rule, NOON)[0], "UTC")
    assert len(chart.labels) == DAYS * 24 + 1
    assert [one.label for one in chart.series] == ["Error rate", "Alert"]
    assert max(value for value in chart.series[0].values if value is not None) == 60.0
    assert set(chart.series[1].values) == {15.0}


def test_failed_syncs_of_the_past_are_previewed(tenant):
    for hours in (30, 29, 2):
        SyncOutcome.objects.create(
            tenant=tenant,
            run_id=f"00000000-0000-4000-8000-{hours:012d}",
            source_id="00000000-0000-4000-8000-000000000000",
            status="succeeded" if hours == 29 else "failed",
            finished_at=NOON - timedelta(hours=hours),
        )
    rule = make_rule(tenant, metric="failed_syncs", alert_threshold=0, window_minutes=60)
    (preview,) = preview_rule(rule, NOON)
    opened = [each.opened_at for each in preview.episodes]
    assert opened == [NOON - timedelta(hours=30), NOON - timedelta(hours=2)]
    assert all(each.resolved_at for each in preview.episodes)
    SyncOutcome.objects.filter(tenant=tenant).delete()


def test_budgets_of_the_past_are_told_by_hours_in_the_day_of_the_tenants_zone(tenant):
    Tenant.objects.filter(pk=tenant.pk).update(timezone="Pacific/Auckland")
    tenant.refresh_from_db()
    for period, amount in (("day", 10), ("month", 100)):
        set_budget(tenant=tenant, period=period, amount_usd=amount, actor=None)
    # It is midnight there at 11:00; the first hour is of the day before.
    spent = ((26, 9), (15, 5), (3, 4.5), (1, 1))
    for component, hours, usd in (*(("generation", *one) for one in spent), ("indexing", 5, 90)):
        HourlySpending.objects.create(
            tenant_id=tenant.pk, starts_at=NOON - timedelta(hours=hours),
            component=component, provider="p", model="m", cost_usd=usd,
        )  # fmt: skip
    rule = make_rule(tenant, metric="budget_used", alert_threshold=0.92, window_minutes=5)
    (preview,) = preview_rule(rule, NOON)
    (episode,) = preview.episodes
    assert episode.opened_at == NOON - timedelta(hours=2)
    assert episode.resolved_at == NOON - timedelta(hours=1) + minutes(15)
    assert episode.worst_value == pytest.approx(0.95)
    assert preview.points[-1][1].value == pytest.approx(0.195), "of the month"
    of_each = make_rule(None, each_tenant=True, metric="budget_used", alert_threshold=0.92)
    assert preview_rule(of_each, NOON)[0].tenant == tenant
    HourlySpending.objects.filter(tenant_id=tenant.pk).delete()


def test_leaks_of_the_past_are_told_by_the_newest_check_of_each_moment():
    hours_and_leaks = ((8 * 24, 0), (2, 3), (1, 0))
    runs = [
        IsolationRun.objects.create(
            finished_at=NOON - timedelta(hours=hours), probes=90, leaks=leaks
        )
        for hours, leaks in hours_and_leaks
    ]
    (preview,) = preview_rule(make_rule(None, metric="isolation_leaks", alert_threshold=0), NOON)
    (episode,) = preview.episodes
    assert episode.opened_at == NOON - timedelta(hours=2)
    assert episode.resolved_at == NOON - timedelta(hours=1) + minutes(10)
    assert episode.worst_value == 3
    IsolationRun.objects.filter(pk__in=[run.pk for run in runs]).delete()


def test_what_has_no_past_says_so_and_what_has_one_can_be_read():
    without = {key for key, metric in METRICS.items() if metric.no_past}
    assert without == {"services_down", "rollup_lag"}
    others = {key for key, metric in METRICS.items() if metric.read is not None}
    assert others - without == set(PASTS)


def test_a_rule_for_each_tenant_is_tried_on_the_busiest(tenant):
    others = make_tenants(1)
    for one, questions in ((others[0], 10), (tenant, 900)):
        day = NOON.replace(hour=0)
        TenantDay.objects.create(tenant_id=one.pk, starts_at=day, questions=questions)
    previews = preview_rule(make_rule(None, each_tenant=True), NOON)
    assert [one.tenant for one in previews] == [tenant, *others]
    TenantDay.objects.filter(starts_at=day).delete()

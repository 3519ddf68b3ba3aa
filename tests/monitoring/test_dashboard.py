"""The dashboard with much, with little and with odd data; its files; what it says of unknown prices."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from monitoring.models import DailyUsage
from tenants.budgets import set_budget
from tenants.models import Tenant
from tests.monitoring.ledger import add_metrics, roll_up_all
from tests.monitoring.rows import add_spending, add_usage, midnight
from tests.retrieval.pages import sign_in
from tests.tenants.conftest import make_cast

MOST_QUERIES = 15
TRANSACTIONS = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")


@pytest.fixture(scope="module")
def people(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        return make_cast()


@pytest.fixture
def admin(tenant):
    return sign_in(tenant, role="admin")


def get(client, tenant, query="", **headers):
    return client.get(f"/t/{tenant.slug}/dashboard/?{query}", headers=headers)


def read_csv(client, tenant, chart, query="range=7d"):
    reply = client.get(f"/t/{tenant.slug}/dashboard/charts/{chart}.csv?{query}")
    assert reply.status_code == 200
    return list(csv.reader(io.StringIO(reply.getvalue().decode("utf-8-sig"))))


def cost_row(board, component):
    return next(row for row in board.costs.rows if row.component == component)


def test_the_page_takes_as_many_queries_with_ten_times_the_rows(tenant, admin):
    set_budget(tenant=tenant, period="day", amount_usd="5", actor=None)
    taken = []
    for models in (1, 10):
        DailyUsage.objects.filter(tenant_id=tenant.pk).delete()
        for number in range(models * 10):
            add_usage(tenant.pk, midnight(number % 10), model=f"m{number // 10}")
        with CaptureQueriesContext(connection) as queries:
            page = get(admin, tenant, "range=30d&compare=1")
        assert page.context["board"].sums.questions == 10 * models
        asked = [q["sql"] for q in queries if not q["sql"].startswith(TRANSACTIONS)]
        taken.append(len(asked))
    assert taken[0] == taken[1] <= MOST_QUERIES
    assert "Budget now" in page.content.decode()


@pytest.mark.parametrize("query", ["", "range=1y", "range=24h&compare=1"])
def test_a_tenant_that_nobody_asked_is_shown_the_way_and_no_chart(tenant, admin, query):
    text = get(admin, tenant, query).content.decode()
    assert "No questions in this period" in text
    assert "<canvas" not in text


def test_a_year_and_one_question_are_both_shown(tenant, admin):
    add_usage(tenant.pk, midnight(200))
    tenant.trace_days = 90
    tenant.save()
    assert "opens no traces any more" not in get(admin, tenant, "range=7d").content.decode()
    page = get(admin, tenant, "range=1y&compare=1")
    chart = page.context["board"].find("questions")
    assert len(chart.labels) in (52, 53, 54)
    assert sum(chart.series[0].values) == 1
    assert "Only one week has figures so far" in page.content.decode()
    assert "opens no traces any more" in page.content.decode()
    assert "has not begun" in get(admin, tenant, "from=2131-01-01&to=2131-01-02").content.decode()


def test_the_long_day_of_the_year_has_25_bars_and_each_of_its_hours_twice_two_apart(tenant, admin):
    tenant.timezone = "Europe/Berlin"
    tenant.save()
    for moment, count in (("2026-10-25T00:30Z", 2), ("2026-10-25T01:30Z", 3)):
        add_metrics(tenant.pk, datetime.fromisoformat(moment), count)
    roll_up_all()
    board = get(admin, tenant, "from=2026-10-25&to=2026-10-25").context["board"]
    chart = board.find("questions")
    assert len(chart.labels) == len(set(chart.names)) == 25
    assert chart.series[0].values[2:4] == (2, 3)
    day = get(admin, tenant, "from=2026-10-20&to=2026-10-30").context["board"].find("questions")
    assert day.series[0].values[5] == 5
    assert "2026-10-24T22%3A00%3A00Z" in day.links[5]
    assert "2026-10-25T23%3A00%3A00Z" in day.links[5]


@pytest.mark.parametrize(
    "query", ["range=2h", "from=x", "from=9999-12-31", "from=2026-03-02&to=2026-03-01"]
)
def test_a_range_that_means_nothing_is_said_and_the_usual_one_shown(tenant, admin, query):
    page = get(admin, tenant, query)
    assert page.status_code == 200
    assert "The usual range is shown instead." in page.content.decode()
    assert page.context["period"].name == "24h"
    file = admin.get(f"/t/{tenant.slug}/dashboard/charts/questions.csv?{query}")
    assert file.status_code == 400


def test_htmx_gets_the_board_alone_and_a_word_for_the_screen_reader(tenant, admin):
    add_usage(tenant.pk, midnight(), questions=3)
    part = get(admin, tenant, "range=7d", **{"HX-Request": "true", "HX-Target": "board"})
    text = part.content.decode()
    assert text.lstrip().startswith('<div id="board"')
    assert 'id="board-said" hx-swap-oob' in text
    assert "3 questions" in text
    assert "HX-Request" in part["Vary"]


def test_figures_that_cannot_be_read_leave_a_page_that_says_so(tenant, admin):
    with connections["owner"].cursor() as cursor:
        cursor.execute("ALTER TABLE monitoring_dailyusage RENAME TO monitoring_dailyusage_away")
        try:
            page = get(admin, tenant, "range=7d")
        finally:
            cursor.execute("ALTER TABLE monitoring_dailyusage_away RENAME TO monitoring_dailyusage")
    assert page.status_code == 503
    assert "could not be read" in page.content.decode()
    assert "Last 30 days" in page.content.decode()


def test_what_is_of_unknown_price_is_never_shown_as_free(tenant, admin):
    add_usage(tenant.pk, midnight(), questions=4, cost="0", unpriced=4)
    add_spending(tenant.pk, midnight(), "generation", model="house", calls=4, unpriced=4)
    page = get(admin, tenant, "range=7d")
    board = page.context["board"]
    tiles = {tile.label: tile for tile in board.tiles}
    assert tiles["Cost"].value == tiles["Cost per 1,000"].value == "–"
    assert "4 answers of unknown price" in tiles["Cost"].detail
    assert cost_row(board, "generation").cells[0] == "price unknown"
    assert board.find("cost-by-model").note.endswith("house.")
    assert board.find("cost-by-component").is_empty


def test_costs_are_told_by_component_and_add_up_to_the_full_price(tenant, admin, people):
    add_usage(
        tenant.pk, midnight(), questions=100, cost="0.9",
        saved_cache_usd=Decimal("0.5"), saved_routing_usd=Decimal("0.6"),
    )  # fmt: skip
    add_spending(tenant.pk, midnight(), "generation", cost="0.8", calls=90)
    add_spending(tenant.pk, midnight(), "rerank", cost="0.1", calls=90)
    add_spending(tenant.pk, midnight(), "embedding", model="local:minilm", provider="local")
    add_spending(tenant.pk, midnight(), "shadow", cost="0.1")
    board = get(admin, tenant, "range=7d").context["board"]
    costs = board.costs
    assert cost_row(board, "generation").cells == ("$0.80", "$8.00", "80 %")
    assert cost_row(board, "multi_query").cells[0] == "not used"
    assert (
        cost_row(board, "embedding").cells[0]
        == cost_row(board, "search").cells[0]
        == "no price set"
    )
    assert costs.total.cost_usd == sum(row.cost_usd for row in costs.rows) == Decimal("1.0")
    assert costs.reckoning[0].usd == Decimal("2.0")
    assert (
        sum(line.usd for line in costs.reckoning[:-1]) == costs.reckoning[-1].usd == Decimal("1.0")
    )
    # Who may set a price is led to it, for the name that is missing one.
    prices = "/operator/prices/?model={}#set-price"
    seen = {
        name: get(people.client("operator") if name == "operator" else admin, tenant, "range=7d")
        for name in ("operator", "admin")
    }
    assert prices.format("search") in seen["operator"].content.decode()
    assert prices.format("local%3Aminilm") in seen["operator"].content.decode()
    assert "/operator/" not in seen["admin"].content.decode()


def test_files_hold_unrounded_figures_and_nothing_that_a_spreadsheet_runs(tenant, admin):
    add_usage(tenant.pk, midnight(), questions=2, model="=cmd()", cost="0.123456789")
    add_spending(tenant.pk, midnight(), "generation", cost="0.123456789", model="=cmd()")
    rows = read_csv(admin, tenant, "cost-by-model")
    assert rows[0] == ["Start (UTC)", "'=cmd() (USD)"]
    assert len(rows) == 8
    assert rows[-1][1] == "0.123456789"
    assert read_csv(admin, tenant, "questions-by-model")[0][1] == "'=cmd() (count)"
    costs = {row[0]: row for row in read_csv(admin, tenant, "costs")}
    assert costs["Generation"][2] == costs["Total"][2] == "0.123456789"
    page = f"/t/{tenant.slug}/dashboard/charts/"
    assert admin.get(f"{page}no-such.csv").status_code == 404
    assert sign_in().get(f"{page}questions.csv").status_code == 404


def test_the_overview_counts_all_tenants_and_links_each_to_its_dashboard(tenant, people):
    day = datetime(2033, 4, 5, tzinfo=UTC)
    gone = 2**40
    own = Tenant.objects.create(
        slug="canary-of-this-test", schema_name="none", embedding_model="m", embedding_dimension=1
    )
    try:
        for number, questions in ((tenant.pk, 3), (gone, 2), (own.pk, 9), (None, 5)):
            add_usage(number, day, questions=questions, cost=str(questions), unpriced=1)
        operator, days = people.client("operator"), "from=2033-04-01&to=2033-04-09"
        page = operator.get(f"/operator/?{days}")
        told = operator.get(f"/api/v1/usage/?{days}&by=tenant")
    finally:
        DailyUsage.objects.filter(starts_at=day).delete()
        own.delete()
    board = page.context["board"]
    assert board.sums.questions == 5
    top = board.find("top-tenants-by-questions")
    assert [each["key"] for each in told.json()["series"]] == [tenant.slug, ""]
    assert top.labels == (tenant.name, "A tenant that is gone")
    assert top.links == (f"/t/{tenant.slug}/dashboard/?from=2033-04-01&to=2033-04-09", "")
    assert "unknown price" in board.find("top-tenants-by-cost").note
    assert board.find("questions").links[4] == "/operator/?from=2033-04-05&to=2033-04-05"
    assert {tile.href for tile in board.tiles} == {""}


def test_costs_of_the_period_before_are_not_of_this_one(tenant, admin):
    add_usage(tenant.pk, midnight(), questions=2, cost="1")
    add_usage(tenant.pk, midnight(8), questions=10, cost="7")
    add_spending(tenant.pk, midnight(8), "generation", cost="7", model="large")
    add_spending(tenant.pk, midnight(), "rerank", cost="2", model="other")
    board = get(admin, tenant, "range=7d&compare=1").context["board"]
    tiles = {tile.label: (tile.value, tile.before) for tile in board.tiles}
    assert tiles["Questions"] == ("2", "10")
    assert tiles["Cost"] == ("$1.00", "$7.00")
    assert board.costs.total.cost_usd == 2
    for key in ("cost-by-component", "cost-by-model"):
        assert board.find(key).change == "71 % less than in the period before"
    assert sum(board.find("questions").before[0].values) == 10
    assert timedelta(days=7) == board.period.end - board.period.start

"""What is shown as cost is what the provider bills, to the cent, on 10,000 answers."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection

from monitoring.intake import COMPLETED
from monitoring.models import DailySpending, DailyUsage, HourlyUsage
from monitoring.sums import add_up
from retrieval.models import QueryTrace
from tenants.context import tenant_context
from tenants.prices import set_price
from tests.monitoring.asking import ask_all, make_tenant
from tests.monitoring.ledger import roll_up_all

ASKED, RECORDED = 100, 10_000
SMALL, LARGE = "mock-0-7-0", "mock-0-31-0"
# US dollars a million tokens, of which no call costs a whole billionth.
PRICES = {SMALL: ("0.123456", "0.765432"), LARGE: ("2.718281", "3.141592")}
# No figure is made of them.
LARGE_COLUMNS = ("prompt", "spans", "dropped", "citations", "terms")
COPY = """
WITH copied AS (INSERT INTO retrieval_querytrace ({names}) SELECT {values}
    FROM (SELECT *, row_number() OVER (ORDER BY created_at) AS place FROM retrieval_querytrace) t,
        generate_series(0, %(rounds)s) round
    WHERE round * %(asked)s + place BETWEEN %(asked)s + 1 AND %(recorded)s RETURNING id)
SELECT array_agg(id) FROM copied
"""


def copy_traces():
    """Of the answers that were asked, each stored and booked as often as makes the whole number."""
    left = {"tenant_id", *LARGE_COLUMNS}
    names = [field.column for field in QueryTrace._meta.fields if field.column not in left]
    new = {"id": "gen_random_uuid()", "created_at": "created_at - round * interval '11 minutes'"}
    values = ", ".join(new.get(name, name) for name in names)
    numbers = {"asked": ASKED, "recorded": RECORDED, "rounds": RECORDED // ASKED}
    with connection.cursor() as cursor:
        cursor.execute(COPY.format(names=", ".join(names), values=values), numbers)
        cursor.execute(COMPLETED, {"answer_ids": cursor.fetchone()[0]})


@pytest.fixture(scope="module")
def recorded(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        tenant = make_tenant("Asia/Kathmandu")
        billed = {}
        for model, (sent, made) in PRICES.items():
            set_price(tenant=tenant, model=model, input_usd=sent, output_usd=made, actor=None)
            questions = [f"How is password {n} of {model} reset?" for n in range(ASKED // 2)]
            ask_all(tenant, questions, model=model, cache=False, billed=billed)
        with tenant_context(tenant):
            copy_traces()
        roll_up_all()
    return tenant, billed


def test_the_figures_are_the_providers_bill(recorded):
    tenant, billed = recorded
    bill = sum(
        billed[model]["prompt_tokens"] * Decimal(sent)
        + billed[model]["completion_tokens"] * Decimal(made)
        for model, (sent, made) in PRICES.items()
    )
    expected = bill / 1_000_000 * (RECORDED // ASKED)
    assert expected > 1
    for model in (DailyUsage, HourlyUsage):
        sums = add_up(model.objects.filter(tenant_id=tenant.pk))
        assert sums.questions == RECORDED
        assert sums.unpriced == 0
        assert abs(sums.cost_usd - expected) < Decimal("0.001")
    spent = DailySpending.objects.filter(tenant_id=tenant.pk)
    assert abs(sum(row.cost_usd for row in spent) - expected) < Decimal("0.001")
    for row_model, counted in billed.items():
        of_model = spent.filter(model=row_model)
        assert sum(row.input_tokens for row in of_model) == counted["prompt_tokens"] * 100
        assert sum(row.output_tokens for row in of_model) == counted["completion_tokens"] * 100


def test_the_figures_are_the_sum_of_all_calls_of_all_traces(recorded):
    tenant, _ = recorded
    with tenant_context(tenant):
        traces = QueryTrace.objects.values_list("calls", "total_cost_usd")
        calls = sum(Decimal(call["cost_usd"]) for calls, _ in traces for call in calls)
        totals = sum(total for _, total in traces)
    sums = add_up(DailyUsage.objects.filter(tenant_id=tenant.pk))
    assert sums.cost_usd == totals
    assert abs(totals - calls) < Decimal("0.001")

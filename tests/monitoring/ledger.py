"""Ledger rows by the hundred, and what they come to."""

from __future__ import annotations

from django.db import connections

from monitoring.models import TotalUsage
from monitoring.rollups import roll_up
from monitoring.sums import add_up

ADD = """
INSERT INTO monitoring_querymetric (id, asked_at, tenant_id, answer_id, entry, model, cache, questions,
    duration_ms, similarity_avg, cost_usd)
SELECT gen_random_uuid(), %(at)s, %(tenant_id)s, gen_random_uuid(), 'answer', %(model)s, 'none', 1,
    %(duration_ms)s, %(similarity_avg)s, 0.001
FROM generate_series(1, %(count)s)
"""


def add_metrics(tenant_id, at, count=1, using="default", **values):
    """In a transaction of their own unless one is open."""
    usual = {"model": "m", "duration_ms": 120.0, "similarity_avg": 0.61}
    with connections[using].cursor() as cursor:
        cursor.execute(ADD, {"tenant_id": tenant_id, "at": at, "count": count, **usual, **values})


def roll_up_all():
    while roll_up():
        pass


def fleet_sums():
    return add_up(TotalUsage.objects.all())

"""Ledger rows by the million: of many tenants, few of which ask most, as answers leave them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from tenants.models import Tenant

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")
# A tenth of the tenants asks half of the questions. Two calls for an answer of a model, none for a hit.
FILL = """
INSERT INTO monitoring_querymetric (id, asked_at, tenant_id, answer_id, entry, model, cache, questions,
    errors, abstained, passages, duration_ms, first_token_ms, similarity_avg, input_tokens,
    output_tokens, cost_usd, saved_cache_usd, up, down, calls)
SELECT gen_random_uuid(), %(start)s + n * %(step)s, (%(tenants)s::bigint[])[1 + tenant],
    gen_random_uuid(), 'answer', model, cache, 1, (dice < 0.01)::int, (dice > 0.95)::int, 5, ms,
    ms * 0.3, 0.3 + 0.5 * dice, input, output, CASE WHEN hit THEN 0 ELSE cost END,
    CASE WHEN hit THEN cost ELSE 0 END, (dice < 0.05)::int, (dice > 0.98)::int,
    CASE WHEN hit THEN '[]'::jsonb ELSE jsonb_build_array(
        jsonb_build_object('kind', 'embedding', 'provider', 'openai', 'cost_usd', '0.0000002',
            'model', 'text-embedding-3-small', 'input_tokens', 10, 'output_tokens', 0),
        jsonb_build_object('kind', 'generation', 'provider', 'openai', 'model', model,
            'cost_usd', cost::text, 'input_tokens', input, 'output_tokens', output)) END
FROM (SELECT *, cache <> 'none' AS hit, (input * 0.15 + output * 0.6) / 1000000 AS cost
    FROM (SELECT n, random() AS dice, floor(power(random(), 3) * %(count_tenants)s)::int AS tenant,
        (ARRAY['gpt-4o-mini', 'gpt-4o-mini', 'gpt-4o'])[1 + floor(random() * 3)] AS model,
        (ARRAY['none', 'none', 'exact', 'semantic'])[1 + floor(random() * 4)] AS cache,
        exp(5 + 1.5 * random() + 2 * random()) AS ms, 500 + floor(random() * 1500)::int AS input,
        50 + floor(random() * 300)::int AS output
        FROM generate_series(0, %(count)s - 1) n) made) priced
"""


def make_tenants(count: int) -> list[int]:
    """Their rows alone: nothing is asked of them."""
    from tenants.models import Tenant

    def tenant(number: int) -> Tenant:
        return Tenant(
            slug=f"bench-{number:04}", name=f"Bench {number}", schema_name=f"t_bench_{number:04}",
            timezone=ZONES[number % len(ZONES)], embedding_model="local:all-MiniLM-L6-v2",
            embedding_dimension=384,
        )  # fmt: skip

    return [made.pk for made in Tenant.objects.bulk_create(map(tenant, range(count)))]


def make_metrics(
    tenants: list[int], start: datetime, length: timedelta, count: int, a_transaction: int
) -> None:
    """Evenly over a length of time, in its order, in transactions of so many."""
    from django.db import connection

    for first in range(0, count, a_transaction):
        values = {
            "start": start + length * (first / count),
            "step": length / count,
            "count": min(a_transaction, count - first),
            "tenants": tenants,
            "count_tenants": len(tenants),
        }
        with connection.cursor() as cursor:
            cursor.execute(FILL, values)
        if first % 1_000_000 == 0 and first:
            sys.stderr.write(f"{first:,} metrics made\n")


def multiply_metrics(start: datetime, length: timedelta, times: int, windows: int) -> None:
    """So many times the rows of that length of time, a window in a transaction.

    A copy stays in its window: else the next would multiply it again.
    """
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM monitoring_querymetric LIMIT 0")
        names = [column.name for column in cursor.description or () if column.name != "xid"]
        new = {"id": "gen_random_uuid()", "asked_at": "%(first)s + random() * %(window)s"}
        values = ", ".join(new.get(name, name) for name in names)
        for number in range(windows):
            first = start + length * (number / windows)
            cursor.execute(
                f"INSERT INTO monitoring_querymetric ({', '.join(names)}) SELECT {values}"
                " FROM monitoring_querymetric, generate_series(2, %(times)s)"
                " WHERE asked_at >= %(first)s AND asked_at < %(first)s + %(window)s",
                {"times": times, "first": first, "window": length / windows},
            )

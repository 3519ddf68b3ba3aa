"""The list of traces of a tenant with a million of them: database time of each filter, of values that
are common and of values that are rare, for the first page and for one further back.

The traces are written by SQL, 3 kB each, over a hundred days; what is rare is spread over all of
them, or stands at the beginning only. Measured are all statements that a page sends, on the
connection of the application's role, with row-level security.
"""

from __future__ import annotations

import statistics
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil

from benchmarks.common import report, temporary_folder
from benchmarks.database import database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenants.models import Tenant

TRACES = 1_000_000
REPEATS = 5
FEW_OLD = 300_000
COMMON, SELDOM = "contract", "zeppelin"
DOCUMENTS = 2_000
FILL = """
INSERT INTO retrieval_querytrace (id, user_id, api_key_id, asked_by, access_levels, is_simulated, status,
    error_code, question, terms, answer, citations, hits, spans, prompt, model, tier, cache, degraded,
    abstained, similarity_avg, total_cost_usd, duration_ms, rating, created_at)
SELECT gen_random_uuid(), CASE WHEN n %% 2 = 0 THEN 1000 + n %% 50 END,
    CASE WHEN n %% 2 = 1 THEN md5((n %% 9)::text)::uuid END, 'asker ' || n %% 50, '{{public}}',
    n %% 5000 = 0,
    CASE WHEN n %% 1000 = 0 THEN 'failed' WHEN n %% 1500 = 1 THEN 'cancelled' ELSE 'succeeded' END,
    CASE WHEN n %% 1000 = 0 THEN CASE WHEN n %% 50000 = 0 THEN 'model_timeout' ELSE 'provider_down' END
        ELSE '' END,
    'What does the contract say on subject ' || n,
    %(fixed)s::integer[]
        || ARRAY(SELECT 1 + (n * 7919 + k * 104729) %% 20000 FROM generate_series(1, 8) k)
        || CASE WHEN n %% 20000 = 7 THEN %(seldom)s::integer[] ELSE '{{}}' END
        || ARRAY(SELECT 1000000001 + (n * k) %% %(documents)s FROM generate_series(1, 5) k),
    repeat(md5(n::text), 10), '[]', '[]', '[]', to_jsonb(repeat(md5(n::text), 60)),
    CASE WHEN n %% 30000 = 3 THEN 'rare-model' WHEN n < %(old)s THEN 'old-model'
        WHEN n %% 3 = 0 THEN 'gpt-4o' ELSE 'gpt-4o-mini' END, 'simple',
    CASE WHEN n %% 4 = 0 THEN 'exact' WHEN n %% 9 = 0 THEN 'semantic' WHEN n %% 40000 = 1 THEN 'llm'
        ELSE 'none' END,
    CASE WHEN n %% 25000 = 9 THEN ARRAY['redis'] ELSE '{{}}' END, n %% 12 = 0,
    CASE WHEN n %% 12 = 0 THEN NULL ELSE 0.3 + (n * 31 %% 1000) / 1500.0 - (n %% 20000 = 5)::int * 0.25 END,
    (n * 17 %% 1000) / 1000000.0 + (n %% 15000 = 11)::int,
    200 + (n * 13 %% 3000) + (n %% 18000 = 13)::int * 60000 + (n < {old_slow})::int * 9000,
    CASE WHEN n %% 25 = 0 THEN 'up' WHEN n %% 2000 = 3 THEN 'down' ELSE '' END,
    now() - make_interval(secs => (%(size)s - n) * 8.64)
FROM generate_series(1::bigint, %(size)s) AS n
"""
# As an answer is written: the question first, the rest in a second statement.
WRITTEN = 1_000
WRITE = """
DO $$ DECLARE made uuid; old retrieval_querytrace; BEGIN
FOR old IN SELECT * FROM retrieval_querytrace OFFSET %(turn)s * %(count)s LIMIT %(count)s LOOP
    INSERT INTO retrieval_querytrace (id, user_id, asked_by, access_levels, question)
    VALUES (gen_random_uuid(), old.user_id, old.asked_by, old.access_levels, old.question)
    RETURNING id INTO made;
    UPDATE retrieval_querytrace SET (status, terms, answer, prompt, model, tier, cache, abstained,
        similarity_avg, total_cost_usd, duration_ms)
    = ROW(old.status, old.terms, old.answer, old.prompt, old.model, old.tier, old.cache, old.abstained,
        old.similarity_avg, old.total_cost_usd, old.duration_ms) WHERE id = made;
END LOOP; END $$
"""
LISTS_OWN = (
    "trace_of_user, trace_of_key, trace_of_model, trace_cached, trace_latency, trace_cost,"
    " trace_similarity, trace_remarkable, trace_degraded, trace_terms"
)
WITHOUT = {
    "all indexes": "",
    "without words": "trace_terms",
    "without those of the list": LISTS_OWN,
}
FILTERS = {
    "no filter": {},
    "last day": {"days": 1},
    "an hour, 50 days ago": {"from": "-50d", "to": "-1199h"},
    "before 90 days": {"to": "-90d"},
    "common word": {"q": COMMON},
    "seldom word": {"q": SELDOM},
    "unknown word": {"q": "qwertz"},
    "document": {"document": "shown"},
    "unknown document": {"document": "unknown"},
    "common model": {"model": "gpt-4o-mini"},
    "rare model": {"model": "rare-model"},
    "model of long ago": {"model": "old-model"},
    "unknown model": {"model": "none-such"},
    "cache any": {"cache": "any"},
    "cache exact": {"cache": "exact"},
    "cache llm": {"cache": "llm"},
    "cache none": {"cache": "none"},
    "thumbs up": {"rating": "up"},
    "thumbs down": {"rating": "down"},
    "not rated": {"rating": "none"},
    "failed": {"status": "failed"},
    "cancelled": {"status": "cancelled"},
    "running": {"status": "running"},
    "any error": {"error": "any"},
    "one error": {"error": "model_timeout"},
    "abstained": {"abstained": "yes"},
    "not abstained": {"abstained": "no"},
    "degraded": {"degraded": "yes"},
    "not degraded": {"degraded": "no"},
    "demo traffic": {"simulated": "yes"},
    "no demo traffic": {"simulated": "no"},
    "asked by a person": {"asked_by": "person"},
    "asked by nobody known": {"asked_by": "nobody@example.com"},
    "similarity below 0.2": {"similarity_below": 0.2},
    "similarity below 0.5": {"similarity_below": 0.5},
    "similarity above 0.9": {"similarity_above": 0.9},
    "similarity above 0.99": {"similarity_above": 0.99},
    "latency above 1 s": {"latency_above": 1_000},
    "latency above 30 s": {"latency_above": 30_000},
    "latency above 5 s, most long ago": {"latency_above": 5_000},
    "latency above an hour": {"latency_above": 3_600_000},
    "cost above $0.0005": {"cost_above": 0.0005},
    "cost above $0.5": {"cost_above": 0.5},
    "cost above $100": {"cost_above": 100},
}


def main() -> None:
    with temporary_folder() as folder, database(folder / "data"):
        run(TRACES)


def run(size: int) -> None:
    from tenants.services import create_tenant

    tenant = create_tenant(slug="bench", embedding_model="local:all-MiniLM-L6-v2")
    began = time.perf_counter()
    fill(tenant, size)
    filled = time.perf_counter() - began
    measure_all(tenant, size, filled, make_person(tenant))


def measure_all(tenant: Tenant, size: int, filled: float, person: str) -> None:
    rows = [measure(tenant, name, asked, person) for name, asked in FILTERS.items()]
    worst = max(rows, key=lambda row: row["first_ms"])
    report(
        "trace_list",
        rows,
        traces=size,
        fill_seconds=filled,
        slowest_first_page=f"{worst['filter']}: {worst['first_ms']:.1f} ms",
        indexes=sizes(tenant),
        recording_cpu_ms=write_cost(tenant),
    )


def fill(tenant: Tenant, size: int) -> None:
    """As a million answers leave it; autovacuum has been there since."""
    from django.db import connection, connections

    from retrieval.terms import search_terms
    from tenants.context import tenant_context

    values = {
        "size": size,
        "old": FEW_OLD * size // TRACES,
        "fixed": search_terms(COMMON),
        "seldom": search_terms(SELDOM),
        "documents": DOCUMENTS,
    }
    with tenant_context(tenant), connection.cursor() as cursor:
        cursor.execute(FILL.format(old_slow=values["old"] // 6), values)
    with connections["owner"].cursor() as cursor:
        cursor.execute(f"VACUUM ANALYZE {tenant.schema_name}.retrieval_querytrace")


def make_person(tenant: Tenant) -> str:
    """Who has asked one in a hundred of the questions."""
    from django.db import connections

    from tenants.services import create_user

    user = create_user(email="asker@bench.invalid", password=None)
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE public.tenants_user SET id = 1000 WHERE id = %s", [user.pk])
    return user.email


def measure(tenant: Tenant, name: str, asked: dict[str, Any], person: str) -> dict[str, Any]:
    query = {key: value_of(key, value, person) for key, value in asked.items()}
    first = [spent for _ in range(REPEATS) for spent in [time_statements(tenant, query, {})]]
    older = read_cursor_far_back(tenant, query)
    then = (
        [time_statements(tenant, query, {"before": older}) for _ in range(REPEATS)] if older else []
    )
    return {
        "filter": name,
        "matches": first[0][1],
        "first_ms": statistics.median(spent for spent, _ in first),
        "older_ms": statistics.median(spent for spent, _ in then) if then else None,
    }


def value_of(name: str, value: Any, person: str) -> Any:
    from datetime import timedelta

    from django.utils import timezone

    from retrieval.terms import name_term

    if name == "document":
        return find_document(name_term) if value == "shown" else str(uuid.UUID(int=1))
    if value == "person":
        return person
    if name in {"from", "to"}:
        unit = {"d": "days", "h": "hours"}[value[-1]]
        return (timezone.now() + timedelta(**{unit: int(value[:-1])})).isoformat()
    return value


def find_document(term_of: Any) -> str:
    """One whose term is among those that were written."""
    return next(
        name
        for number in range(20_000_000)
        for name in [str(uuid.UUID(int=number))]
        if term_of(name) - 1_000_000_001 in range(DOCUMENTS)
    )


def time_statements(
    tenant: Tenant, query: dict[str, Any], cursor: dict[str, str]
) -> tuple[float, Any]:
    """Milliseconds that the database took for all that the page's list asks, and how many match."""
    from retrieval.trace_list import offered_values, read_figures, read_newest, read_page

    with statements(tenant) as (visible, spent):
        found = apply(visible, query)
        figures, newest = read_figures(found)
        if cursor:
            read_page(found, cursor)
        else:
            read_newest(found, newest)
        offered_values(visible)
    matches = f"{figures.questions}+" if figures.has_more else figures.questions
    return sum(spent), matches


def read_cursor_far_back(tenant: Tenant, query: dict[str, Any]) -> str:
    """Of the last of the newest thousand matches, if there are more."""
    from retrieval.trace_list import MOST_COUNTED, NEWEST_FIRST, Cursor

    with statements(tenant) as (visible, _):
        found = apply(visible, query).order_by(*NEWEST_FIRST)[MOST_COUNTED - 1 : MOST_COUNTED]
        return next((str(Cursor.of(trace)) for trace in found), "")


def apply(visible: Any, query: dict[str, Any]) -> Any:
    from retrieval.trace_filter import TraceFilter

    wanted = TraceFilter({name: str(value) for name, value in query.items()})
    assert wanted.is_valid(), wanted.errors
    return wanted.apply(visible)


@contextmanager
def statements(tenant: Tenant) -> Iterator[tuple[Any, list[float]]]:
    """The tenant's traces, and a list of the milliseconds of each statement in between."""
    from django.db import connection

    from retrieval.trace_view import traces_for
    from tenants.context import tenant_context

    spent: list[float] = []

    def clock(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            spent.append((time.perf_counter() - began) * 1000)

    with tenant_context(tenant), connection.execute_wrapper(clock):
        yield traces_for(user_id=0, sees_everybody=True), spent


def write_cost(tenant: Tenant) -> dict[str, float]:
    """Milliseconds of the database's CPU to store a question and to complete its trace, with the
    indexes of the list and without. Rolled back."""
    from django.db import connections, transaction

    found = {}
    for name, drops in WITHOUT.items():
        with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
            cursor.execute(
                f"SET LOCAL search_path = {tenant.schema_name}, extensions;"
                f"SET LOCAL ragadmin.tenant_id = '{tenant.pk}';"
                f"{f'DROP INDEX {drops};' if drops else ''}"
            )
            backend = psutil.Process(connections["owner"].connection.info.backend_pid)
            spent = []
            for turn in range(6):
                before = sum(backend.cpu_times()[:2])
                cursor.execute(WRITE, {"turn": turn, "count": WRITTEN})
                spent.append((sum(backend.cpu_times()[:2]) - before) * 1000 / WRITTEN)
            found[name] = round(statistics.mean(spent[1:]), 3)
            transaction.set_rollback(True, using="owner")
    return found


def sizes(tenant: Tenant) -> dict[str, int]:
    """Megabytes by index."""
    from django.db import connections

    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT indexrelname, pg_relation_size(indexrelid) / 1048576 FROM pg_stat_user_indexes"
            " WHERE schemaname = %s AND relname = 'retrieval_querytrace' ORDER BY 2 DESC",
            [tenant.schema_name],
        )
        return dict(cursor.fetchall())


if __name__ == "__main__":
    main()

"""Pages of the list of traces, without a count of all of them; and a trace among its neighbours."""

from __future__ import annotations

import uuid
from decimal import Decimal
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from retrieval.models import Feedback, GoldenQuestion, QueryTrace
from retrieval.terms import name_term
from retrieval.trace_filter import TraceFilter
from retrieval.trace_list import NEWEST_FIRST, Cursor, neighbours, read_figures, read_page
from tenants.context import tenant_context
from tests.retrieval.pages import citation, hit, make_document, make_trace, sign_in

MANY = """
INSERT INTO retrieval_querytrace (id, access_levels, question, status, model, terms, created_at)
SELECT gen_random_uuid(), '{public}', 'q', 'succeeded', CASE WHEN n %% 2 = 0 THEN 'a' ELSE 'b' END,
    '{7}', now() - make_interval(secs => n / 3)
FROM generate_series(1, %s) AS n
"""


def fill(tenant, count):
    with tenant_context(tenant), connection.cursor() as cursor:
        cursor.execute(MANY, [count])


def walk(found, direction, page):
    """Ids of all pages from this one on."""
    ids = [trace.pk for trace in page.traces]
    while cursor := getattr(page, direction):
        page = read_page(found, {"before" if direction == "older" else "after": cursor}, 25)
        ids = (
            ids + [t.pk for t in page.traces]
            if direction == "older"
            else [t.pk for t in page.traces] + ids
        )
    return ids, page


def test_pages_older_and_newer_show_each_trace_once_though_many_are_of_one_moment(tenant):
    fill(tenant, 110)
    with tenant_context(tenant):
        found = QueryTrace.objects.all()
        all_ids = list(found.order_by(*NEWEST_FIRST).values_list("pk", flat=True))
        older, last = walk(found, "older", read_page(found, {}, 25))
        newer, first = walk(found, "newer", last)
    assert older == newer == all_ids
    assert (first.newer, last.older) == ("", "")


def test_the_list_asks_as_much_of_many_traces_as_of_few_and_counts_none_of_them(tenant):
    browser, queries = sign_in(tenant), []
    for count in (5, 1_100):
        fill(tenant, count)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            answer = browser.get(f"/t/{tenant.slug}/traces/?model=a")
        queries.append(len(captured))
        assert not any("COUNT(" in each["sql"] for each in captured if "querytrace" in each["sql"])
    assert queries[0] == queries[1]
    assert "of 552 traces" in answer.content.decode()
    answer = browser.get(f"/t/{tenant.slug}/traces/")
    assert "more than 1,000 traces" in answer.content.decode()
    assert "Figures of the newest 1,000 matches" in answer.content.decode()


def test_the_api_leads_to_the_next_page_and_says_no_count_of_more_than_a_thousand(tenant):
    fill(tenant, 1_001)
    browser, seen = sign_in(tenant), []
    address = "/api/v1/answers/?page_size=200&model=b"
    assert (
        browser.get("/api/v1/answers/", HTTP_X_RAGADMIN_TENANT=tenant.slug).json()["count"] is None
    )
    while address:
        body = browser.get(address, HTTP_X_RAGADMIN_TENANT=tenant.slug).json()
        assert body["count"] == 501
        seen += [row["id"] for row in body["results"]]
        address = body["next"]
    assert len(set(seen)) == len(seen) == 501
    refused = browser.get("/api/v1/answers/?page_size=0", HTTP_X_RAGADMIN_TENANT=tenant.slug)
    assert refused.json()["error"]["extra"] == {"field": "page_size"}
    huge = browser.get(
        f"/api/v1/answers/?page_size={'9' * 5_000}", HTTP_X_RAGADMIN_TENANT=tenant.slug
    )
    assert huge.status_code == 400


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ({"q": "seldom"}, "trace_terms"),
        ({"document": "00000000-0000-0000-0000-000000000001"}, "trace_terms"),
        ({"model": "rare"}, "trace_of_model"),
        ({"cache": "llm"}, "trace_cached"),
        ({"rating": "down"}, "trace_remarkable"),
        ({"rating": "any"}, "trace_remarkable"),
        ({"error": "any"}, "trace_remarkable"),
        ({"abstained": "yes"}, "trace_remarkable"),
        ({"simulated": "yes"}, "trace_remarkable"),
        ({"degraded": "yes"}, "trace_degraded"),
        ({"latency_above": "9000"}, "trace_latency"),
        ({"cost_above": "5"}, "trace_cost"),
        ({"similarity_below": "0.1"}, "trace_similarity"),
    ],
)
def test_row_level_security_lets_each_filter_use_its_index(crowded, query, index):
    """As the role of the application, whose policy comes before any filter that could leak."""
    with tenant_context(crowded):
        found = TraceFilter(query).apply(QueryTrace.objects.all())
        plan = found.order_by(*NEWEST_FIRST).values("pk")[:26].explain()
    assert index in plan, plan


@pytest.fixture(scope="module")
def crowded(django_db_setup, django_db_blocker):
    from django.db import connections

    from tenants.services import create_tenant

    with django_db_blocker.unblock():
        tenant = create_tenant(slug=f"crowded-{uuid.uuid4().hex[:6]}")
        fill(tenant, 20_000)
        with tenant_context(tenant):
            QueryTrace.objects.update(
                duration_ms=100.0, similarity_avg=0.5, total_cost_usd=0, terms=[name_term("x")]
            )
        with connections["owner"].cursor() as cursor:
            cursor.execute(f"VACUUM ANALYZE {tenant.schema_name}.retrieval_querytrace")
        yield tenant


def test_traces_of_before_are_found_by_words_documents_askers_and_ratings(tenant):
    migration = import_module("retrieval.migrations.0004_monitoring")
    document = make_document(tenant)
    trace = make_trace(tenant, question="Which zeppelin?", hits=[hit(document)], asked_by="Ann")
    make_trace(tenant, question="Still running?", status="running")
    with tenant_context(tenant):
        Feedback.objects.create(trace=trace, rating="down")
        QueryTrace.objects.update(terms=None, rating="")
        migration.make_old_traces_findable(None, SimpleNamespace(connection=connection))
        for query in (
            {"q": "zeppelins"},
            {"document": document.pk},
            {"asked_by": "Ann"},
            {"rating": "down"},
        ):
            found = TraceFilter(query).apply(QueryTrace.objects.all())
            assert [one.pk for one in found] == [trace.pk], query


def test_a_rating_is_found_again_and_so_is_its_change(tenant):
    trace = make_trace(tenant)
    with tenant_context(tenant):
        for rating in ("down", "up"):
            Feedback.objects.update_or_create(trace=trace, defaults={"rating": rating})
            found = TraceFilter({"rating": rating}).apply(QueryTrace.objects.all())
            assert found.get().pk == trace.pk
        assert not QueryTrace.objects.exclude(rating=F("feedback__rating")).exists()


def test_a_trace_leads_to_those_beside_it_in_the_list_it_was_opened_from(tenant):
    owner = sign_in(tenant)
    first, between, third = (
        make_trace(tenant, question=f"{name}?", rating=rating)
        for name, rating in (("first", "down"), ("between", "up"), ("third", "down"))
    )
    with tenant_context(tenant):
        assert neighbours(QueryTrace.objects.all(), between) == (third.pk, first.pk)
    page = owner.get(f"/t/{tenant.slug}/traces/{third.pk}/?rating=down").content.decode()
    assert f"/t/{tenant.slug}/traces/{first.pk}/?rating=down" in page
    assert str(between.pk) not in page
    assert f'href="/t/{tenant.slug}/traces/?rating=down"' in page


def test_passages_say_what_became_of_them(tenant):
    document = make_document(tenant)
    rows = [
        hit(document, 1, shown_chars=300, left_out=700, rerank_score=0.25),
        hit(document, 2, rank=2),
    ]
    dropped = [hit(document, 3) | {"fate": "ranked_out"}]
    trace = make_trace(tenant, hits=rows, citations=[citation(document, 1)], dropped=dropped)
    page = sign_in(tenant).get(f"/t/{tenant.slug}/traces/{trace.pk}/").content.decode()
    for words in (
        "Cited",
        "Shortened by 70 %",
        "Shown, not cited",
        "others ranked higher",
        "re-ranked 0.250",
    ):
        assert words in page


def test_calls_are_priced_at_their_spans_and_an_unknown_price_is_not_free(tenant):
    spans = [
        {"kind": "embed", "start_ms": 0.0, "duration_ms": 5.0},
        {"kind": "generate", "start_ms": 5.0, "duration_ms": 50.0, "request": "a-digest"},
    ]
    call = {"provider": "p", "model": "m", "input_tokens": 1, "output_tokens": 1, "price": None}
    calls = [
        call | {"kind": "embedding", "cost_usd": "0.25"},
        call | {"kind": "generation", "cost_usd": None},
    ]
    trace = make_trace(tenant, spans=spans, calls=calls)
    answer = sign_in(tenant).get(f"/t/{tenant.slug}/traces/{trace.pk}/")
    assert [str(bar["cost_usd"]) for bar in answer.context["bars"]] == ["0.25", "None"]
    assert "cost unknown" in answer.content.decode()
    assert "a-digest" not in answer.content.decode()


def test_figures_take_an_unknown_price_for_unknown_and_count_what_is_known(tenant):
    calls = [{"kind": "embedding", "cost_usd": "0.25"}, {"kind": "generation", "cost_usd": None}]
    for status in ("succeeded", "cancelled", "failed", "running"):
        make_trace(tenant, status=status, calls=calls)
    make_trace(tenant, total_cost_usd=1)
    with tenant_context(tenant):
        figures, _ = read_figures(QueryTrace.objects.all())
    assert (figures.cost_usd, figures.unpriced) == (Decimal("1.75"), 3), (
        "one that failed was paid for too"
    )


def test_an_admin_makes_a_trace_a_golden_question_once_and_a_member_does_not(tenant):
    document = make_document(tenant)
    trace = make_trace(tenant, hits=[hit(document)], citations=[citation(document)])
    address = f"/t/{tenant.slug}/traces/{trace.pk}/golden/"
    assert sign_in(tenant, role="member", levels=["public"]).post(address).status_code == 403
    owner = sign_in(tenant)
    for _ in range(2):
        assert owner.post(address).status_code == 302
    with tenant_context(tenant):
        golden = GoldenQuestion.objects.get()
    assert (golden.trace_id, golden.expected_paths) == (trace.pk, [document.path])


def test_a_cursor_names_its_place_exactly(tenant):
    fill(tenant, 3)
    with tenant_context(tenant):
        figures, newest = read_figures(QueryTrace.objects.all())
        middle = QueryTrace.objects.get(pk=newest[1])
        older = read_page(QueryTrace.objects.all(), {"before": str(Cursor.of(middle))})
    assert figures.questions == 3
    assert [trace.pk for trace in older.traces] == newest[2:]

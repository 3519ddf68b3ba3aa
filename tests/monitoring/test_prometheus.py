"""What a scrape says: sums of the database, whoever is asked, and to whom."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families

from monitoring.histograms import Histogram
from monitoring.models import RecentUsage, TotalSpending, TotalUsage
from tenants.keys import create_api_key

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
def totals():
    """The fleet's sums as a roll-up leaves them, and nothing of what other tests left."""
    for model in (TotalUsage, TotalSpending, RecentUsage):
        model.objects.filter(tenant_id=None).delete()
    slow = Histogram.of([80.0, 900.0, 4_000.0]).pack()
    total = {"tenant_id": None, "starts_at": EPOCH, "latency": slow}
    TotalUsage.objects.create(
        **total, model="gpt-4o", cache="none", questions=3, cost_usd=Decimal("0.03"), up=2, down=1
    )
    TotalUsage.objects.create(
        **total, model="gpt-4o", cache="exact", questions=2, saved_cache_usd=Decimal("0.02")
    )
    for component, amount in (("generation", "0.028"), ("embedding", "0.002")):
        TotalSpending.objects.create(
            tenant_id=None,
            starts_at=EPOCH,
            component=component,
            provider="openai",
            model="m",
            cost_usd=Decimal(amount),
        )
    RecentUsage.objects.create(
        tenant_id=None,
        starts_at=timezone.now(),
        model="gpt-4o",
        cache="none",
        similarity_sum=Decimal("1.5"),
        similarity_count=3,
    )
    yield
    for model in (TotalUsage, TotalSpending, RecentUsage):
        model.objects.filter(tenant_id=None).delete()


@pytest.fixture
def scrape(settings):
    settings.METRICS_TOKEN = "a token of the scraper"

    def _scrape():
        answer = Client().get(
            "/metrics", headers={"Authorization": "Bearer a token of the scraper"}
        )
        assert answer.status_code == 200
        families = text_string_to_metric_families(answer.content.decode())
        return {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }

    return _scrape


def test_a_scrape_has_the_names_of_the_contract_and_the_sums_of_the_database(totals, scrape):
    found = scrape()
    model = ("model", "gpt-4o")
    assert found["rag_queries_total", ("cache_hit", "false"), model] == 3
    assert found["rag_queries_total", ("cache_hit", "true"), model] == 2
    assert found["rag_latency_ms_count",] == 6
    assert found["rag_latency_ms_bucket", ("le", "100")] == 2
    assert found["rag_latency_ms_bucket", ("le", "1000")] == 4
    assert found["rag_latency_ms_bucket", ("le", "+Inf")] == 6
    assert found["rag_latency_ms_sum",] == pytest.approx(2 * 4_980, rel=0.01)
    assert found["rag_avg_similarity",] == pytest.approx(0.5)
    assert (found["rag_cost_per_query_count",], found["rag_cost_per_query_sum",]) == (5, 0.03)
    assert found["rag_cost_usd_total", ("component", "generation")] == 0.028
    assert found["rag_saved_usd_total", ("by", "cache")] == 0.02
    assert found["rag_ratings", ("rating", "down")] == 1


def test_no_label_names_a_tenant_and_models_are_bounded(totals, scrape, tenant):
    for number in range(110):
        TotalUsage.objects.create(
            tenant_id=None, starts_at=EPOCH, model=f"m{number}", cache="none", questions=1
        )
    found = scrape()
    labels = {dict(key[1:]).get("model") for key in found if key[0] == "rag_queries_total"}
    assert len(labels) == 101
    assert sum(found[key] for key in found if key[0] == "rag_queries_total") == 115
    assert not any(tenant.slug in str(key) for key in found)
    TotalUsage.objects.filter(model="m109").update(questions=1_000)
    later = scrape()
    assert all(later[key] >= found[key] for key in found if key[0].endswith("_total"))


def test_a_scrape_asks_the_same_few_queries_however_many_tenants_there_are(totals, scrape):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        scrape()
    assert len(queries) <= 9


def test_metrics_are_for_operators_and_the_token(totals, scrape, tenant):
    _, own = create_api_key(tenant=tenant, name="own", scopes=["admin"], access_levels=["public"])
    _, operator = create_api_key(tenant=None, name="operator", scopes=["operator"])
    status = {
        key: Client().get("/metrics", headers={"Authorization": f"Bearer {key}"}).status_code
        for key in ("wrong", own, operator)
    }
    assert status == {"wrong": 401, own: 403, operator: 200}
    stranger = Client().get("/metrics")
    assert stranger.status_code == 401
    assert stranger.json()["error"]["code"] == "not_authenticated"


def test_a_scraper_that_asks_for_open_metrics_gets_them(totals, settings):
    settings.METRICS_TOKEN = "t"
    headers = {"Authorization": "Bearer t", "Accept": "application/openmetrics-text;version=1.0.0"}
    TotalUsage.objects.filter(cache="none").update(model='a "b" \\ c\n')
    answer = Client().get("/metrics", headers=headers)
    assert answer["Content-Type"].startswith("application/openmetrics-text")
    families = {family.name: family for family in open_metrics(answer.content.decode())}
    assert families["rag_queries"].samples[0].labels["model"] == 'a "b" \\ c\n'


def test_without_a_token_in_the_settings_an_empty_one_lets_nobody_in(settings):
    settings.METRICS_TOKEN = ""
    assert Client().get("/metrics", headers={"Authorization": "Bearer "}).status_code == 401

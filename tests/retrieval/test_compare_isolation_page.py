"""The page that compares the levels: its states, what it recommends, and who may start a run."""

from __future__ import annotations

import time
import uuid

import pytest
from django.test import Client
from kombu import pools

from ragadmin.celery import app
from retrieval.comparison.corpus import EMBEDDING_MODEL
from retrieval.comparison.plan import SIZES
from retrieval.comparison.runs import begin_comparison, finish_comparison, merge
from retrieval.comparison.tasks import run_comparison
from tenants.models import AuditEvent, IsolationComparison, Tenant
from tenants.services import create_operator
from tests.retrieval.pages import sign_in

PAGE = "/operator/isolation/comparison/"
FIGURES = {
    "search_p50_ms": 8.0, "search_p99_ms": 12.0, "first_search_ms": 20.0, "search_ratio": 1.1, "recall_at_10": 1.0,
    "storage_bytes": 4_000_000, "small_storage_bytes": 500_000, "catalog_bytes": 150_000,
    "catalog_rows": 512, "create_ms": 60.0, "delete_ms": 61.0, "backend_bytes": 100_000,
}  # fmt: skip
ROWS = [
    {"level": level, "tenants": count, **FIGURES, "catalog_bytes": size, "create_ms": 10.0 * count}
    for level, size in (("schema", 150_000), ("partition", 20_000), ("shared", 0))
    for count in (1, 20)
]


@pytest.fixture(autouse=True)
def no_other_comparison():
    IsolationComparison.objects.all().delete()


@pytest.fixture
def operator():
    client = Client()
    email = f"{uuid.uuid4().hex[:10]}@example.com"
    client.force_login(create_operator(email=email, password="correct horse battery"))
    return client


def measured(**values):
    run = begin_comparison(SIZES["small"].plan)
    merge(run, chunks=400, rows=ROWS)
    finish_comparison(run, "done", seconds=61.2, left_tenants=0, **values)
    return run


def page(client, **query):
    response = client.get(PAGE, query)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_with_nothing_measured_the_page_says_so_and_offers_to_measure(operator):
    text = page(operator)
    assert "Not measured yet" in text
    assert "Measure now" in text
    assert "Strong: tables of its own" in text


def test_figures_are_shown_as_tables_with_bars(operator):
    measured()
    text = page(operator)
    assert "Search, median" in text
    assert "1.000" in text
    assert text.count('class="comparison-bar"') == 12 * 6
    assert 'width="5.00"' in text  # one tenant's create_ms beside that of twenty
    assert "style=" not in text


def test_the_address_says_for_which_fleet_a_level_is_recommended(operator):
    measured()
    assert '<span class="badge badge-info">Schema</span> for 500 tenants of 1,000 chunks' in page(
        operator, tenants="500", chunks="1000"
    )
    text = page(operator, tenants="50000", chunks="1000")
    assert '<span class="badge badge-info">Partition</span> for 50,000 tenants' in text
    assert "Not schema: its catalog would take 7.0 GB" in text


@pytest.mark.parametrize("value", ["", "0", "-5", "many", "٣", "9" * 30])
def test_numbers_that_make_no_sense_are_not_taken(operator, value):
    measured()
    assert "of 400 chunks" in page(operator, tenants=value, chunks=value)


def test_an_older_comparison_is_opened_from_the_history(operator):
    old = measured()
    measured()
    text = page(operator, run=str(old.pk))
    assert f'href="?run={old.pk}" aria-current="true"' in text
    assert text.count(">Done</span>") == 2


@pytest.mark.parametrize("run", ["0", "x", "9" * 30])
def test_a_comparison_that_is_not_there_is_not_found(operator, run):
    assert operator.get(PAGE, {"run": run}).status_code == 404


def test_a_running_comparison_shows_its_progress_and_can_be_cancelled(operator):
    run = begin_comparison(SIZES["small"].plan)
    merge(run, progress={"done": 7, "total": 90, "stage": "schema: 7 of 20", "at": time.time()})
    text = page(operator)
    assert "Schema: 7 of 20." in text
    assert 'max="90" value="7"' in text
    assert "Measure now" not in text
    assert operator.post(f"{PAGE}cancel/").status_code == 302
    fragment = operator.get(PAGE, headers={"HX-Request": "true"}).content.decode()
    assert "Cancelling: Schema: 7 of 20." in fragment
    assert "<html" not in fragment


def test_the_page_comes_anew_when_the_run_has_ended(operator):
    measured()
    response = operator.get(PAGE, headers={"HX-Request": "true"})
    assert response.headers["HX-Refresh"] == "true"


@pytest.mark.parametrize(
    ("state", "words"), [("cancelled", "was cancelled"), ("failed", "failed. The disk is full.")]
)
def test_a_run_without_figures_says_why(operator, state, words):
    measured()
    run = begin_comparison(SIZES["small"].plan)
    finish_comparison(run, state, error="The disk is full.")
    text = page(operator)
    assert words in text
    assert "Search, median" in text


def test_a_run_whose_worker_died_is_told_and_stands_in_nobodys_way(operator):
    run = begin_comparison(SIZES["small"].plan)
    merge(run, progress={"done": 1, "total": 9, "stage": "", "at": time.time() - 1_000})
    text = page(operator)
    assert "ended without a word" in text
    assert "Measure now" in text


def test_tenants_that_could_not_be_removed_are_told(operator):
    run = measured()
    merge(run, left_tenants=2)
    assert "2 temporary tenants could not be removed" in page(operator)


def test_measure_now_begins_a_small_run_for_a_worker_once(operator):
    assert operator.post(f"{PAGE}measure/").status_code == 302
    run = IsolationComparison.objects.get()
    assert run.results["settings"]["tenants"] == [1, 20]
    operator.post(f"{PAGE}measure/", {"size": "full"})
    assert IsolationComparison.objects.count() == 1
    target = f"comparison {run.pk}"
    assert AuditEvent.objects.filter(action="isolation.comparing", target=target).count() == 1


def test_a_larger_run_is_chosen(operator):
    operator.post(f"{PAGE}measure/", {"size": "medium"})
    assert IsolationComparison.objects.get().results["settings"]["tenants"] == [1, 100]


@pytest.fixture
def queue_away():
    address = app.conf.broker_url
    point_queue_at("redis://127.0.0.1:1/0")
    yield
    point_queue_at(address)


def point_queue_at(address):
    app.conf.broker_url = app.conf.broker_write_url = app.conf.broker_read_url = address
    pools.reset()
    app._pool = app.amqp._producer_pool = None


@pytest.mark.usefixtures("queue_away")
def test_without_redis_the_page_says_that_nobody_could_be_asked(operator):
    operator.post(f"{PAGE}measure/")
    text = page(operator)
    assert "Redis cannot be reached" in text
    assert "Measure now" in text


def test_the_task_measures_and_a_second_delivery_does_nothing():
    run = begin_comparison(SIZES["small"].plan)
    merge(
        run,
        settings={"documents": 1, "tenants": [1], "questions": 2, "samples": 1},
    )
    run_comparison(run.pk)
    run.refresh_from_db()
    assert run.results["state"] == "done"
    assert len(run.results["rows"]) == 3
    run_comparison(run.pk)
    again = IsolationComparison.objects.get(pk=run.pk)
    assert again.results == run.results
    assert not Tenant.objects.filter(slug__startswith=Tenant.COMPARISON_PREFIX).exists()


def test_the_page_takes_few_queries_however_many_runs_there_are(
    operator, django_assert_max_num_queries
):
    for _ in range(12):
        measured()
    with django_assert_max_num_queries(12):
        page(operator)


def test_whoever_makes_a_tenant_chooses_a_level_and_finds_the_comparison(operator):
    form = operator.get("/operator/new-tenant/").content.decode()
    assert f'href="{PAGE}"' in form
    slug = f"t-{uuid.uuid4().hex[:10]}"
    data = {"name": slug, "slug": slug, "isolation": "shared", "embedding_model": EMBEDDING_MODEL}
    assert operator.post("/operator/new-tenant/", data).status_code == 302
    assert Tenant.objects.get(slug=slug).schema_name == "pool_shared"


def test_the_isolation_page_leads_to_the_comparison(operator):
    assert f'href="{PAGE}"' in operator.get("/operator/isolation/").content.decode()


def test_the_page_does_not_exist_for_others(tenant):
    owner = sign_in(tenant)
    assert owner.get(PAGE).status_code == 404
    assert owner.post(f"{PAGE}measure/").status_code == 404
    assert owner.post(f"{PAGE}cancel/").status_code == 404
    assert Client().get(PAGE).status_code == 302
    assert not IsolationComparison.objects.exists()

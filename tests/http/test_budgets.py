"""Budgets over HTTP: many at once in two processes, one of which is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import uuid
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest
from django.db import connection
from django.db.models import F, Sum
from django.utils import timezone

from ragadmin.embedded import programs
from ragadmin.embedded.ports import free_port
from retrieval.models import QueryTrace
from tenants.budget_figures import today_in
from tenants.budgets import budget_figures, give_back_lapsed, set_budget
from tenants.context import tenant_context
from tenants.models import BudgetPeriod, BudgetReservation, Provider, Tenant
from tenants.prices import remove_price, set_price
from tests.http.conftest import client_for, make_key

MODEL, SLOW_MODEL = "mock-300-20-10", "mock-20000-20-10"
NO_CACHES = {"cache": False, "llm_cache": False, "answer_tokens": 20}
ANSWERS = "/api/v1/answers/"


@pytest.fixture
def answered_by(web, corpus):
    """Makes the tenant's answers come from this model at two cents an answer."""
    made = []

    def choose(model):
        made.append(
            Provider.objects.create(
                name=uuid.uuid4().hex, base_url=web.model_url, small_model=model, large_model=model
            )
        )
        changes = {"provider": made[-1], "query_settings": NO_CACHES}
        Tenant.objects.filter(pk=corpus.pk).update(**changes)
        set_price(tenant=corpus, model=model, input_usd="0.1", output_usd="1000", actor=None)
        return make_key(corpus)

    yield choose
    for provider in made:
        remove_price(tenant=corpus, model=provider.small_model, actor=None)
        provider.delete()


@contextmanager
def another_process(web):
    port = free_port()
    service = web._logged(
        programs.web("127.0.0.1", port, workers=1, host_header="127.0.0.1", env=web.env)
    )
    process = service.start()
    try:
        service.wait_until_ready(process)
        yield f"http://127.0.0.1:{port}", process
    finally:
        service.stop(process)


async def ask(urls, key, count):
    limits = httpx.Limits(max_connections=count)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(headers=headers, timeout=120, limits=limits) as client:
        return await asyncio.gather(
            *(
                client.post(
                    urls[number % len(urls)] + ANSWERS,
                    json={"question": f"How do I reset password number {number}?"},
                )
                for number in range(count)
            )
        )


class Watch(threading.Thread):
    """Looks at a budget's row again and again, and keeps the most that was ever used of it."""

    def __init__(self, budget):
        super().__init__(daemon=True)
        self.budget, self.most, self.looks = budget, Decimal(0), 0
        self.ended = threading.Event()

    def run(self):
        periods = BudgetPeriod.objects.filter(budget=self.budget)
        while not self.ended.wait(0.01):
            for spent, reserved in periods.values_list("spent_usd", "reserved_usd"):
                assert reserved >= 0
                self.most = max(self.most, spent + reserved)
            self.looks += 1
        connection.close()


@contextmanager
def watching(budget):
    watch = Watch(budget)
    watch.start()
    try:
        yield watch
    finally:
        watch.ended.set()
        watch.join()


def cost_of_traces(tenant):
    with tenant_context(tenant):
        traces = QueryTrace.objects.exclude(status="running")
        return traces.aggregate(total=Sum("total_cost_usd"))["total"]


def test_a_hundred_at_once_never_spend_more_than_the_budget(web, corpus, answered_by):
    key = answered_by(MODEL)
    budget = set_budget(tenant=corpus, period="day", amount_usd="0.81", actor=None)
    with another_process(web) as (url, _), watching(budget) as watch:
        answers = asyncio.run(ask([web.url, url], key, 100))
    assert {each.status_code for each in answers} == {200}
    paid = [each.json() for each in answers if each.json()["cost_usd"]["total"]]
    assert 36 <= len(paid) <= 40
    assert {each["model"] for each in paid} == {MODEL}
    assert watch.looks > 10
    assert Decimal("0.7") < watch.most <= budget.amount_usd
    [figure] = budget_figures(corpus)
    assert figure.reserved_usd == 0
    assert not BudgetReservation.objects.filter(period__budget=budget).exists()
    assert figure.spent_usd == cost_of_traces(corpus)
    refused = next(each.json() for each in answers if each.json()["model"] == "extractive")
    assert refused["budget_step"] == "no_model"
    assert "the tenant's daily budget of $0.81" in refused["budget"].replace("The", "the")


def test_a_killed_process_leaves_nothing_reserved_for_long(web, corpus, answered_by):
    key = answered_by(SLOW_MODEL)
    budget = set_budget(tenant=corpus, period="day", amount_usd="0.10", actor=None)
    periods = BudgetPeriod.objects.filter(budget=budget)
    with another_process(web) as (url, process):
        asking = threading.Thread(target=lambda: _until_killed(url, key), daemon=True)
        asking.start()
        while not (reserved := _reserved(periods)) or reserved < Decimal("0.06"):
            asking.join(0.05)
            assert asking.is_alive(), "the questions ended before the process was killed"
        os.killpg(process.pid, signal.SIGKILL)
        asking.join()
    # The rest of ten minutes, at once.
    leased = BudgetReservation.objects.filter(period__budget=budget)
    assert leased.count() >= 3
    assert not leased.filter(expires_at__lt=timezone.now()).exists()
    leased.update(expires_at=F("expires_at") - timedelta(minutes=11))
    [figure] = budget_figures(corpus)
    assert (figure.spent_usd, figure.reserved_usd) == (0, 0)
    key = answered_by(MODEL)
    [answer] = asyncio.run(ask([web.url], key, 1))
    assert answer.json()["model"] == MODEL
    give_back_lapsed()
    assert _reserved(periods) == 0
    assert periods.get().spent_usd == cost_of_traces(corpus)


def _until_killed(url, key):
    try:
        asyncio.run(ask([url], key, 4))
    except httpx.HTTPError:
        return


def _reserved(periods):
    return periods.aggregate(total=Sum("reserved_usd"))["total"]


def test_a_spent_budget_stops_every_door_and_says_until_when(web, corpus, answered_by):
    key = answered_by(MODEL)
    budget = set_budget(tenant=corpus, period="month", amount_usd="1", actor=None)
    month = today_in("UTC").month
    BudgetPeriod.objects.create(budget=budget, starts_on=month, spent_usd="1.5")
    messages = [{"role": "user", "content": "How do I reset my password?"}]
    with client_for(web, key) as client:
        for stream in (False, True):
            refused = client.post(ANSWERS, json={"question": "Why?", "stream": stream})
            assert (refused.status_code, int(refused.headers["retry-after"]) > 0) == (429, True)
            error = refused.json()["error"]
            assert error["code"] == "budget_exceeded"
            assert "tenant's monthly budget of $1.00 is spent ($1.50)" in error["message"]
            assert error["extra"]["budget"]["resets_at"] > month.isoformat()
        chat = client.post("/v1/chat/completions", json={"model": "auto", "messages": messages})
        assert (chat.status_code, chat.headers["x-should-retry"]) == (429, "false")
        assert chat.json()["error"]["type"] == "insufficient_quota"
    assert cost_of_traces(corpus) is None, "nothing was asked"


def test_vectors_that_have_to_be_paid_count_for_the_budget(web, corpus):
    Tenant.objects.filter(pk=corpus.pk).update(embedding_model="openai:mock-embedding-0")
    set_price(tenant=corpus, model="mock-embedding-0", input_usd="10000", actor=None)
    set_budget(tenant=corpus, period="day", amount_usd="0.50", actor=None)
    with client_for(web, make_key(corpus)) as client:
        sent = {"model": "any", "input": "Four words about this."}
        made = client.post("/v1/embeddings", json=sent)
        assert made.status_code == 200, made.text
        [figure] = budget_figures(corpus)
        tokens = len(sent["input"]) // 4  # as the stub counts
        assert (figure.spent_usd, figure.reserved_usd) == (tokens * Decimal("0.01"), 0)
        refused = client.post("/v1/embeddings", json={**sent, "input": "word " * 100})
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "budget_exceeded")
    assert budget_figures(corpus) == [figure]

"""Every figure of a dashboard opens the traces that it counts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from retrieval import events
from retrieval.bookkeeping import book
from retrieval.models import QueryTrace
from tenants.context import tenant_context
from tests.monitoring.ledger import roll_up_all
from tests.retrieval.pages import make_trace, sign_in


@pytest.fixture(scope="module")
def admin(answered, django_db_blocker):
    """Also: an answer that failed, and one at the very moment at which an hour began."""
    with django_db_blocker.unblock():
        failed = make_trace(answered, status="failed", error_code="model_failed", answer="")
        on_the_hour = make_trace(answered, duration_ms=5.0)
        hour = timezone.now().replace(minute=0, second=0, microsecond=0)
        with tenant_context(answered):
            QueryTrace.objects.filter(pk=on_the_hour.pk).update(
                created_at=hour - timedelta(hours=2)
            )
            book(events.ledger.completed, answer_ids=[failed.pk, on_the_hour.pk])
        roll_up_all()
        return sign_in(answered, role="admin")


def board_of(client, tenant, query="range=24h"):
    return client.get(f"/t/{tenant.slug}/dashboard/?{query}").context["board"]


def count_behind(client, href):
    page = client.get(href)
    assert page.status_code == 200
    assert page.context["filters"].mistakes == []
    return len(page.context["page"].traces)


def test_tiles_open_what_they_count(admin, answered):
    board = board_of(admin, answered)
    href = {tile.label: tile.href for tile in board.tiles}
    sums = board.sums
    assert (sums.questions, sums.hits, sums.down, sums.errors) == (7, 1, 1, 1)
    assert count_behind(admin, href["Questions"]) == sums.questions
    assert count_behind(admin, href["From the cache"]) == sums.hits
    assert count_behind(admin, href["Thumbs down"]) == sums.down
    assert count_behind(admin, href["Errors"]) == sums.errors


@pytest.mark.parametrize("query", ["range=24h", "range=7d"])
@pytest.mark.parametrize("key", ["questions", "cache-hits", "ratings", "similarity-spread"])
def test_each_bar_opens_its_own_traces_and_the_bars_all_of_them(admin, answered, query, key):
    board = board_of(admin, answered, query)
    chart = board.find(key)
    bars = [
        (sum(one.values[place] for one in chart.series), href)
        for place, href in enumerate(chart.links)
    ]
    used, sums = [(figure, href) for figure, href in bars if figure], board.sums
    counted = {
        "questions": sums.questions,
        "cache-hits": sums.hits,
        "ratings": sums.up + sums.down,
        "similarity-spread": sums.similarity_count,
    }
    assert sum(figure for figure, _ in used) == counted[key] > 0
    assert [count_behind(admin, href) for _, href in used] == [figure for figure, _ in used]


def test_the_overview_of_a_tenant_leads_an_admin_to_the_dashboard_and_no_member(admin, answered):
    overview, dashboard = f"/t/{answered.slug}/", f"/t/{answered.slug}/dashboard/"
    assert f'<a class="btn" href="{dashboard}"' in admin.get(overview).content.decode()
    member = sign_in(answered, role="member", levels=["public"])
    assert dashboard not in member.get(overview).content.decode()
    assert member.get(dashboard).status_code == 403
    assert member.get(f"{dashboard}charts/questions.csv").status_code == 403
    assert sign_in().get(dashboard).status_code == 404

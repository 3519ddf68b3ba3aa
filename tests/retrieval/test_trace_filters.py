"""Each filter of the list of traces, alone, on the page and over the API."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from retrieval.models import QueryTrace
from tenants.context import tenant_context
from tenants.keys import create_api_key
from tenants.models import Tenant
from tenants.services import create_tenant
from tests.retrieval.pages import hit, make_document, make_trace, sign_in

LONG_AGO = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)


class House:
    """A tenant in Berlin with a plain trace, and one for each filter that is set apart by it."""

    def __init__(self, tenant):
        self.tenant = tenant
        self.owner, self.member = sign_in(tenant), sign_in(tenant, role="member", levels=["public"])
        self.document = make_document(tenant, "kettle.md")
        key, _ = create_api_key(tenant=tenant, name="Robot", scopes=["query"])
        plain = {
            "model": "small", "duration_ms": 900.0, "similarity_avg": 0.5,
            "total_cost_usd": Decimal("0.001"), "user": self.owner.user,
        }  # fmt: skip
        for name, values in {
            "plain": {},
            "wordy": {"question": "wordy Zeppelins?"},
            "cached": {"cache": "semantic"},
            "up": {"rating": "up"},
            "down": {"rating": "down"},
            "broken": {"status": "failed", "error_code": "model_timeout"},
            "stopped": {"status": "cancelled"},
            "large": {"model": "large"},
            "slow": {"duration_ms": 9_000.0},
            "dear": {"total_cost_usd": Decimal("0.9")},
            "far": {"similarity_avg": 0.1},
            "near": {"similarity_avg": 0.9},
            "unknown": {"abstained": True},
            "lame": {"degraded": ["redis"]},
            "demo": {"is_simulated": True},
            "shown": {"hits": [hit(self.document)]},
            "robot": {"user": None, "api_key_id": key.pk, "asked_by": str(key)},
            "gone": {"user": None, "asked_by": "gone@example.com"},
        }.items():
            make_trace(tenant, **({"question": f"{name}?"} | plain | values))
        old = make_trace(tenant, question="old?", **plain)
        with tenant_context(tenant):
            QueryTrace.objects.filter(pk=old.pk).update(created_at=LONG_AGO)


@pytest.fixture(scope="module")
def house(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        tenant = create_tenant(slug=f"trace-filters-{uuid.uuid4().hex[:6]}")
        Tenant.objects.filter(pk=tenant.pk).update(timezone="Europe/Berlin")
        yield House(tenant)


FILTERS = [
    ("q=ZEPPELIN", {"wordy"}),
    ("rating=down", {"down"}),
    ("rating=any", {"up", "down"}),
    ("status=cancelled", {"stopped"}),
    ("cache=semantic", {"cached"}),
    ("cache=any", {"cached"}),
    ("model=large", {"large"}),
    ("error=any", {"broken"}),
    ("error=model_timeout", {"broken"}),
    ("error=none_such", set()),
    ("latency_above=5000", {"slow"}),
    ("cost_above=0.5", {"dear"}),
    ("similarity_below=0.2", {"far"}),
    ("similarity_above=0.8", {"near"}),
    ("abstained=yes", {"unknown"}),
    ("degraded=yes", {"lame"}),
    ("simulated=yes", {"demo"}),
    ("asked_by=Robot", {"robot"}),
    ("asked_by=gone@example.com", {"gone"}),
    ("document={document}", {"shown"}),
    ("document=00000000-0000-0000-0000-000000000000", set()),
    # Berlin puts its clocks forward at 1:00 UTC that night: it is 1:30 there, and 2:30 is not.
    ("from=2026-03-29T01:30&to=2026-03-29T01:31", {"old"}),
    ("from=2026-03-29T00:30:00%2B00:00&to=2026-03-29T00:31:00Z", {"old"}),
    ("to=2026-03-29T00:30:00Z", set()),
    ("from=2026-03-28&to=2026-03-29", {"old"}),
    # The hour that comes twice, as a bar of a chart names it: it begins and ends at two o'clock.
    ("from=2026-10-25T00:00:00Z&to=2026-10-25T01:00:00Z", set()),
]


@pytest.mark.parametrize(("query", "wanted"), FILTERS)
def test_a_filter_finds_what_it_names_on_the_page_and_over_the_api(house, query, wanted):
    query = query.format(document=house.document.pk)
    found = house.owner.get(f"/t/{house.tenant.slug}/traces/?{query}").context["page"].traces
    assert {trace.question.split()[0].rstrip("?") for trace in found} == wanted
    told = house.owner.get(f"/api/v1/answers/?{query}", HTTP_X_RAGADMIN_TENANT=house.tenant.slug)
    assert told.json()["count"] == len(wanted)


@pytest.mark.parametrize("name", ["abstained", "degraded", "simulated"])
def test_what_is_not_so_is_found_as_well(house, name):
    found = (
        house.owner.get(f"/t/{house.tenant.slug}/traces/?{name}=no").context["figures"].questions
    )
    assert found == 18


def test_a_member_sees_their_own_however_they_filter(house):
    mine = make_trace(house.tenant, question="mine?", user=house.member.user)
    try:
        for query in ("", f"asked_by={house.owner.user.email}", "status=succeeded"):
            page = house.member.get(f"/t/{house.tenant.slug}/traces/?{query}").context["page"]
            assert [trace.pk for trace in page.traces] == [mine.pk]
    finally:
        with tenant_context(house.tenant):
            mine.delete()


@pytest.mark.parametrize(
    "query",
    [
        "days=soon", "rating=good", "latency_above=fast", "latency_above=nan", "similarity_below=7",
        "cost_above=-1", "cost_above=1e999", "document=kettle.md", "from=yesterday",
        "from=9999-12-31T23:59", "to=0001-01-01", "q=what+is+the", "before=nonsense", "after=9_9",
        "from=2026-03-02&to=2026-03-01",
    ],
)  # fmt: skip
def test_a_value_that_means_nothing_is_named_and_left_out(house, query):
    answer = house.owner.get(f"/t/{house.tenant.slug}/traces/?{query}")
    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()
    told = house.owner.get(f"/api/v1/answers/?{query}", HTTP_X_RAGADMIN_TENANT=house.tenant.slug)
    assert told.status_code == 400


def test_filters_in_use_can_be_taken_away_one_by_one(house):
    answer = house.owner.get(f"/t/{house.tenant.slug}/traces/?rating=down&q=kettle&days=")
    chips = {chip.label: chip.query for chip in answer.context["filters"].chips}
    assert chips == {"Search": "rating=down", "Rating": "q=kettle"}
    page = answer.content.decode()
    assert "No trace matches" in page
    assert f'href="/t/{house.tenant.slug}/traces/?rating=down"' in page


def test_figures_are_of_the_matches(house):
    figures = house.owner.get(f"/t/{house.tenant.slug}/traces/?from=2026-04-01").context["figures"]
    assert (figures.questions, figures.has_more) == (18, False)
    assert (figures.p50_ms, figures.p95_ms) == (900.0, 9_000.0)
    assert figures.cost_usd == Decimal("0.917")
    assert (figures.cached, figures.thumbs_down, figures.errors) == (1, 1, 1)

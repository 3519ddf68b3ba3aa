"""The retrieval bench, the comparison of two settings, and saving what was tried."""

from __future__ import annotations

import re
import uuid

import pytest

from tenants.models import AuditEvent, Tenant
from tests.retrieval.pages import hit, make_document, make_trace, sign_in


@pytest.fixture
def admin(tenant):
    return sign_in(tenant, role="admin", levels=["public", "internal"])


@pytest.fixture
def bench(tenant):
    return f"/t/{tenant.slug}/bench/"


@pytest.fixture
def compare(tenant):
    return f"/t/{tenant.slug}/playground/compare/"


def control(page, name):
    """The tag of a knob's control."""
    return re.search(rf'<(?:input|select)[^>]*name="{name}"[^>]*>', page)[0]


def entered(page, prefix=""):
    """What a browser would send of the page's knobs, as they are shown."""
    sent = {}
    for tag in re.findall(r'<input[^>]*data-knob="[^"]*"[^>]*>', page):
        name, value = re.search(r'name="([^"]*)"', tag)[1], re.search(r'value="([^"]*)"', tag)
        if 'type="checkbox"' not in tag:
            sent[name] = value[1] if value else ""
        elif "checked" in tag:
            sent[name] = "on"
    for name, body in re.findall(
        r'<select name="([^"]*)"[^>]*data-knob[^>]*>(.*?)</select>', page, re.S
    ):
        sent[name] = re.search(r'value="([^"]*)" selected', body)[1]
    return {name: value for name, value in sent.items() if name.startswith(prefix)}


def test_a_member_may_neither_see_nor_save(tenant, bench, compare):
    member = sign_in(tenant, role="member", levels=["public"])
    for address in (bench, compare, f"{compare}result/"):
        assert member.get(address).status_code == 403
    assert member.post(f"{bench}save/", {"place": "bench"}).status_code == 403
    assert "/bench/" not in member.get(f"/t/{tenant.slug}/playground/").content.decode()


def test_every_knob_shows_what_is_saved_and_its_default(tenant, admin, bench):
    Tenant.objects.filter(pk=tenant.pk).update(top_k=7, query_settings={"mmr_lambda": 0.7})
    page = admin.get(bench).content.decode()
    assert 'value="7"' in control(page, "top_k")
    assert 'data-default="5"' in control(page, "top_k")
    assert 'value="0.7"' in control(page, "mmr_lambda")
    assert 'max="50"' in control(page, "top_k")


def test_the_address_carries_the_knobs_and_nonsense_in_it_is_left_out(admin, bench):
    page = admin.get(f"{bench}?q=Why%3F&top_k=9&rerank=off&neighbours=99").content.decode()
    assert 'value="9"' in control(page, "top_k")
    assert 'data-saved="5"' in control(page, "top_k")
    assert "checked" not in control(page, "rerank")
    assert 'value="0"' in control(page, "neighbours")
    assert 'value="Why?"' in page


def test_levels_and_sources_offered_are_those_the_admin_has(tenant, bench):
    admin = sign_in(tenant, role="admin", levels=["public"])
    page = admin.get(bench).content.decode()
    assert 'value="public"' in page
    assert 'value="internal"' not in page


def test_saving_asks_first_with_what_would_change(tenant, admin, bench):
    sent = entered(admin.get(bench).content.decode()) | {"top_k": "8", "place": "bench"}
    page = admin.post(f"{bench}save/", sent).content.decode()
    assert "Passages per question: 5 passages → 8 passages" in page
    tenant.refresh_from_db()
    assert tenant.top_k == 5


def test_what_was_agreed_to_is_saved_and_audited(tenant, admin, bench):
    sent = entered(admin.get(bench).content.decode())
    sent |= {"top_k": "8", "search_mode": "vector", "place": "bench", "agreed": "yes"}
    del sent["rerank"]
    answer = admin.post(f"{bench}save/", sent)
    assert "settings-saved" in answer["HX-Trigger"]
    tenant.refresh_from_db()
    assert tenant.top_k == 8
    assert tenant.query_settings == {"search_mode": "vector", "rerank": False}
    event = AuditEvent.objects.filter(tenant=tenant, action="tenant.changed").latest("id")
    assert event.actor == admin.user.email


def test_settings_that_the_bench_does_not_show_stay(tenant, admin, bench):
    Tenant.objects.filter(pk=tenant.pk).update(query_settings={"cache": False})
    sent = entered(admin.get(bench).content.decode())
    admin.post(f"{bench}save/", sent | {"top_k": "8", "place": "bench", "agreed": "yes"})
    tenant.refresh_from_db()
    assert tenant.query_settings == {"cache": False}


@pytest.mark.parametrize("top_k", ["0", "51", "many", ""])
def test_a_value_out_of_bounds_is_refused_with_its_name(tenant, admin, bench, top_k):
    sent = entered(admin.get(bench).content.decode())
    sent |= {"top_k": top_k, "place": "bench", "agreed": "yes"}
    page = admin.post(f"{bench}save/", sent).content.decode()
    assert "cannot be saved" in page
    assert "Passages per question:" in page
    tenant.refresh_from_db()
    assert tenant.top_k == 5


def test_one_side_of_a_comparison_is_saved_without_the_other(tenant, admin, bench, compare):
    page = admin.get(f"{compare}?left-top_k=3&right-top_k=9&right-temperature=0.5").content.decode()
    sent = entered(page) | {"place": "right", "agreed": "yes"}
    admin.post(f"{bench}save/", sent)
    tenant.refresh_from_db()
    assert tenant.top_k == 9
    assert tenant.query_settings == {"temperature": 0.5}


def test_settings_are_saved_from_known_places_only(admin, bench):
    assert admin.post(f"{bench}save/", {"place": "elsewhere"}).status_code == 404


def test_differences_show_figures_and_passages_of_both(tenant, admin, compare):
    document = make_document(tenant)
    left = make_trace(tenant, hits=[hit(document, 1), hit(document, 2, rank=2)], duration_ms=100.0)
    right = make_trace(tenant, hits=[hit(document, 2), hit(document, 3, rank=2)], duration_ms=50.0)
    page = admin.get(f"{compare}result/?left={left.id}&right={right.id}").content.decode()
    assert "1 on both sides, 1 only left, 1 only right" in page
    assert "-50 %" in page


def test_differences_leave_out_passages_above_the_levels(tenant, compare):
    admin = sign_in(tenant, role="admin", levels=["public"])
    secret = make_document(tenant, "secret.md", access_level="internal")
    trace = make_trace(tenant, hits=[hit(secret)])
    page = admin.get(f"{compare}result/?left={trace.id}&right={trace.id}").content.decode()
    assert "secret.md" not in page


def test_differences_of_unknown_answers_are_not_found(tenant, admin, compare):
    trace = make_trace(tenant)
    for query in ("", f"left={trace.id}&right={uuid.uuid4()}", f"left={trace.id}&right=nonsense"):
        assert admin.get(f"{compare}result/?{query}").status_code == 404

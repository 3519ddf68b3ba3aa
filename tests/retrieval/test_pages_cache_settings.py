"""The cache's settings: figures of what it did, and emptying it."""

from __future__ import annotations

import html
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from retrieval.cache_view import cache_figures
from retrieval.models import CacheEntry, QueryTrace
from tenants.context import tenant_context
from tenants.models import AuditEvent, Tenant
from tenants.redis_keys import count_keys, redis_client, tenant_key
from tenants.services import create_tenant
from tests.retrieval.pages import sign_in


@pytest.fixture
def admin(tenant):
    return sign_in(tenant, role="admin", levels=["public"])


def trace(cache="none", **values) -> None:
    QueryTrace.objects.create(
        question="q", access_levels=["public"], status="succeeded", cache=cache, **values
    )


def entry(tenant, key: str) -> None:
    CacheEntry.objects.create(
        key=key,
        question="q",
        embedding=[0.1] * tenant.embedding_dimension,
        config_hash="c",
        access_levels=["public"],
        corpus_revision=0,
        context_fingerprint="f",
        context_levels=["public"],
        trace_id="00000000-0000-0000-0000-000000000001",
        not_for=["a pair"],
        expires_at=timezone.now() + timedelta(hours=1),
    )


def page(browser, tenant) -> str:
    response = browser.get(reverse("settings-cache", args=[tenant.slug]))
    assert response.status_code == 200
    return html.unescape(response.content.decode())


def test_figures_count_hits_by_layer_money_and_wrong_hits(tenant):
    with tenant_context(tenant):
        trace()
        trace("exact", saved={"cache": "0.25"}, shadow_verdict="same")
        trace("semantic", saved={"cache": "0.5", "routing": "9"}, shadow_verdict="different")
        trace("llm", saved={"embedding": "0.125"})
        old = timezone.now() - timedelta(days=31)
        QueryTrace.objects.filter(cache="none").update(created_at=old)
        found = cache_figures(tenant)
    assert (found.questions, found.exact, found.semantic, found.llm) == (3, 1, 1, 1)
    assert (float(found.saved_usd), float(found.embedding_saved_usd)) == (0.75, 0.125)
    assert "50.0% (1 of 2 checked), with 95 % certainty between 9.5% and 90.5%" in found.wrong_hits


def test_nothing_asked_yet_is_said(admin, tenant):
    shown = page(admin, tenant)
    assert "no hit was checked yet" in shown
    assert "figures of hits appear with the first" in shown


def test_raised_threshold_is_shown_until_the_set_one_is_higher(admin, tenant):
    Tenant.objects.filter(pk=tenant.pk).update(raised_threshold=0.82)
    assert "0.820" in page(admin, tenant)
    Tenant.objects.filter(pk=tenant.pk).update(query_settings={"similarity_threshold": 0.9})
    assert "at present, and not the one" not in page(admin, tenant)


def test_emptying_counts_first_and_then_gives_up_everything(admin, tenant):
    with tenant_context(tenant):
        entry(tenant, "a")
        entry(tenant, "b")
    names = ("answer:x", "answer-keys:y", "llm:z", "embedding:v")
    with redis_client() as client:
        for name in names:
            client.set(tenant_key(tenant.pk, name), b"1")
    url = reverse("settings-cache-empty", args=[tenant.slug])
    asked = admin.get(url).content.decode()
    assert "2 kept answers" in asked
    assert "1 kept prompt<" in asked
    said = admin.post(url, follow=True).content.decode()
    assert "2 answers are given up" in said
    with tenant_context(tenant):
        assert not CacheEntry.objects.filter(evicted_at=None).exists()
        assert set(CacheEntry.objects.values_list("not_for", flat=True)[0]) == {"a pair"}
    assert count_keys(tenant.pk) == count_keys(tenant.pk, "embedding:") == 1
    event = AuditEvent.objects.get(tenant=tenant, action="cache.emptied")
    assert (event.detail, event.actor) == ({"entries": 2, "prompts": 1}, admin.user.email)


def test_another_tenants_cache_stays(admin, tenant):
    other = create_tenant(slug=f"{tenant.slug}-2")
    with tenant_context(other):
        entry(other, "a")
    with redis_client() as client:
        client.set(tenant_key(other.pk, "answer:x"), b"1")
    admin.post(reverse("settings-cache-empty", args=[tenant.slug]))
    assert admin.post(reverse("settings-cache-empty", args=[other.slug])).status_code == 404
    with tenant_context(other):
        assert CacheEntry.objects.filter(evicted_at=None).count() == 1
    assert count_keys(other.pk) == 1


def test_switches_are_saved(admin, tenant):
    url = reverse("settings-cache", args=[tenant.slug])
    data = {
        "cache": "on", "similarity_threshold": "0.8", "cache_ttl_minutes": "60",
        "shadow_share": "5", "false_hit_budget": "1",
    }  # fmt: skip
    said = html.unescape(admin.post(url, data, follow=True).content.decode())
    assert "Checked hits: 2 % → 5 %" in said
    tenant.refresh_from_db()
    assert tenant.query_settings == {
        "semantic_cache": False,
        "llm_cache": False,
        "similarity_threshold": 0.8,
        "cache_ttl_minutes": 60,
        "shadow_share": 0.05,
    }


def test_members_neither_see_nor_empty_it(tenant):
    member = sign_in(tenant, role="member", levels=["public"])
    for name in ("settings-cache", "settings-cache-empty"):
        assert member.get(reverse(name, args=[tenant.slug])).status_code == 403
        assert member.post(reverse(name, args=[tenant.slug])).status_code == 403

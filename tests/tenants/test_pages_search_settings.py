"""The settings of the read path as an admin edits them: shown, reset, saved, refused."""

from __future__ import annotations

import html

import pytest
from django.urls import reverse

from tenants.access import tenant_config
from tenants.configure import update_tenant
from tenants.models import AuditEvent
from tenants.query_forms import CACHE, MODELS, SEARCH, QuerySettingsForm
from tenants.query_settings import DEFAULTS, FIELDS
from tenants.query_words import CHOICES, WORDS

DATA = {
    "search_mode": "hybrid",
    "top_k": "5",
    "min_similarity": "0.2",
    "rerank": "on",
    "rerank_candidates": "30",
    "mmr_lambda": "1",
    "rewrite_follow_ups": "on",
    "multi_query": "off",
    "rewrites": "3",
    "neighbours": "0",
    "compress": "on",
}


def post(cast, who: str = "admin", /, without: str = "", **changes) -> str:
    data = {name: value for name, value in (DATA | changes).items() if name != without}
    url = reverse("settings-search", args=[cast.tenant.slug])
    response = cast.client(who).post(url, data, follow=True)
    cast.tenant.refresh_from_db()
    return html.unescape(response.content.decode())


def test_every_setting_has_a_page_and_words():
    on_pages = [
        name for page in (SEARCH, MODELS, CACHE) for names in page.values() for name in names
    ]
    assert sorted(on_pages) == sorted([*FIELDS, "top_k", "min_similarity"])
    assert set(WORDS) == set(on_pages)
    for name, field in FIELDS.items():
        assert list(CHOICES.get(name, ())) == list(field.metadata.get("choices", ()))


def test_saved_settings_are_in_force_and_told(cast):
    text = post(cast, search_mode="keyword", top_k="7", without="rerank")
    assert "Search by: Both meaning and words → Words only (BM25)" in text
    assert "Passages per question: 5 passages → 7 passages" in text
    assert "Re-rank: on → off" in text
    config = tenant_config(cast.tenant)
    query = config.query
    assert (config.top_k, query.search_mode, query.rerank, query.compress) == (
        7,
        "keyword",
        False,
        True,
    )


def test_a_page_leaves_the_settings_of_other_pages_alone(cast):
    update_tenant(tenant=cast.tenant, actor="test", query_settings={"cache": False})
    post(cast, neighbours="2")
    assert cast.tenant.query_settings == {"cache": False, "neighbours": 2}


def test_a_setting_at_its_default_is_stored_no_longer(cast):
    post(cast, neighbours="2")
    post(cast)
    assert cast.tenant.query_settings == {}


def test_what_differs_from_the_default_is_marked(cast):
    url = reverse("settings-search", args=[cast.tenant.slug])
    assert "Default:" not in cast.client("admin").get(url).content.decode()
    text = post(cast, neighbours="2")
    assert text.count("Default:") == 1
    assert "Default: 0 passages" in text


def test_reset_brings_the_default_back_unsaved_and_keeps_what_was_typed(cast):
    post(cast, neighbours="2")
    text = post(cast, neighbours="3", rewrites="5", reset="neighbours", without="rerank")
    assert "Back at the default here: Neighbours. It is not saved yet." in text
    form_values = {name: f'name="{name}" value="{value}"' for name, value in
                   {"neighbours": 0, "rewrites": 5}.items()}  # fmt: skip
    assert all(value in text for value in form_values.values())
    assert cast.tenant.query_settings == {"neighbours": 2}


def test_all_can_be_reset_at_once(cast):
    text = post(cast, neighbours="3", multi_query="on", reset="all", without="rerank")
    assert "Default:" not in text
    assert "checked" in text.split('name="rerank"')[1].partition(">")[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"top_k": "0"}, "greater than or equal to 1"),
        ({"top_k": "51"}, "less than or equal to 50"),
        ({"min_similarity": "nan"}, "Enter a number."),
        ({"min_similarity": "2"}, "less than or equal to 1"),
        ({"search_mode": "magic"}, "Select a valid choice"),
        ({"mmr_lambda": "1e9"}, "less than or equal to 1"),
        ({"rewrites": "two"}, "Enter a whole number."),
        ({"neighbours": ""}, "This field is required."),
    ],
)
def test_bad_value_is_told_at_its_field_and_nothing_is_saved(cast, changes, message):
    text = post(cast, **{"rerank_candidates": "77", **changes})
    assert message in text
    assert 'value="77"' in text
    assert (cast.tenant.query_settings, cast.tenant.top_k) == ({}, 5)


def test_the_audit_trail_names_each_setting_with_old_and_new(cast):
    post(cast, neighbours="2")
    event = AuditEvent.objects.get(tenant=cast.tenant, action="tenant.changed")
    assert event.detail == {"neighbours": [0, 2]}


def test_the_audit_trail_does_not_hold_what_a_tenant_tells_the_model(cast):
    update_tenant(
        tenant=cast.tenant, actor="test", query_settings={"instructions": "Call me Ishmael."}
    )
    event = AuditEvent.objects.get(tenant=cast.tenant, action="tenant.changed")
    assert event.detail == {"instructions": ["0 characters", "16 characters"]}


@pytest.mark.parametrize("name", ["member", "stranger", "neighbour", "nobody"])
def test_only_admins_save(cast, name):
    post(cast, name, top_k="50")
    assert cast.tenant.top_k == 5


def test_shares_are_shown_and_entered_in_percent(cast):
    form = QuerySettingsForm(config=tenant_config(cast.tenant), groups=CACHE)
    assert 'value="2"' in str(form["shadow_share"])
    field = form.fields["shadow_share"]
    assert field.clean("12.5") == 0.125
    assert field.clean(field.prepare_value(DEFAULTS.false_hit_budget)) == 0.01

from __future__ import annotations

import html
import uuid

import pytest
from django.forms import model_to_dict
from django.urls import reverse

from ragadmin.errors import Conflict, InvalidRequest
from retrieval.models import Document, Source
from retrieval.services.golden import add_golden_question
from tenants.configure import update_tenant
from tenants.context import tenant_context
from tenants.keys import create_api_key
from tenants.models import AuditEvent, Tenant
from tenants.services import add_member


def save(cast, name: str, /, **changes):
    data = {"name": "Handbook", "access_levels": "public, internal", "timezone": "UTC"}
    url = reverse("tenant-settings", args=[cast.tenant.slug])
    return cast.client(name).post(url, data | changes, follow=True)


def add_document(tenant: Tenant, access_level: str) -> None:
    with tenant_context(tenant):
        source, _ = Source.objects.get_or_create(name="Uploads", kind="upload")
        Document.objects.create(
            source=source,
            path=f"{uuid.uuid4()}.md",
            access_level=access_level,
            content_hash="0" * 64,
            size_bytes=1,
            storage_key="none",
        )


def test_admin_saves_and_sees_the_settings(cast):
    text = save(cast, "admin", timezone="Asia/Kolkata", questions_per_minute=90).content.decode()
    assert "Time zone: UTC → Asia/Kolkata; Questions per minute: none → 90." in text
    cast.tenant.refresh_from_db()
    saved = cast.tenant
    assert (saved.name, saved.timezone, saved.questions_per_minute) == (
        "Handbook",
        "Asia/Kolkata",
        90,
    )
    assert 'value="Handbook"' in text


def test_saving_without_a_change_says_so(cast):
    save(cast, "admin")
    assert "Nothing was changed." in save(cast, "admin").content.decode()


def test_change_is_audited_with_old_and_new(cast):
    save(cast, "admin", questions_per_minute=9)
    event = AuditEvent.objects.get(tenant=cast.tenant, action="tenant.changed")
    assert event.actor == cast["admin"].email
    assert event.detail["name"] == [cast.tenant.name, "Handbook"]
    assert "access_levels" not in event.detail


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "This field is required."),
        ({"timezone": "Middle/Earth"}, "There is no such time zone"),
        ({"timezone": ""}, "This field is required."),
        ({"questions_per_minute": 0}, "greater than or equal to 1"),
        ({"questions_per_minute": 10**12}, "less than or equal to"),
        ({"access_levels": ", ,"}, "1 to 20 access levels"),
        ({"access_levels": "public, Top Secret"}, "small letters"),
    ],
)
def test_bad_value_says_what_is_wrong_and_saves_nothing(cast, changes, message):
    before = Tenant.objects.get(pk=cast.tenant.pk)
    text = html.unescape(save(cast, "owner", **{"name": "Unsaved", **changes}).content.decode())
    assert message in text
    assert 'value="Unsaved"' in text or "name" in changes
    cast.tenant.refresh_from_db()
    assert model_to_dict(cast.tenant) == model_to_dict(before)


def test_level_in_use_by_a_document_stays(cast):
    add_document(cast.tenant, "internal")
    response = save(cast, "owner", access_levels="public")
    assert "Documents have the access level internal" in response.content.decode()
    cast.tenant.refresh_from_db()
    assert cast.tenant.access_levels == ["public", "internal"]


def test_level_that_golden_questions_are_asked_as_stays(cast):
    with tenant_context(cast.tenant):
        add_golden_question(
            question="Who?", access_levels=["public", "internal"], created_by="tester"
        )
    response = save(cast, "owner", access_levels="public")
    assert "Golden questions are asked as the access level internal" in response.content.decode()


def test_level_in_use_by_another_tenant_does_not_matter(cast):
    add_document(cast.neighbour_tenant, "internal")
    save(cast, "owner", access_levels="public")
    cast.tenant.refresh_from_db()
    assert cast.tenant.access_levels == ["public"]


def test_removed_level_does_not_come_back_to_those_who_had_it(cast):
    key, _ = create_api_key(tenant=cast.tenant, name="x", scopes=["query"])
    save(cast, "owner", access_levels="public")
    save(cast, "owner", access_levels="public, internal")
    key.refresh_from_db()
    assert key.access_levels == ["public"]
    assert cast.membership("member").access_levels == ["public"]


def test_new_level_goes_to_the_owners_and_to_its_maker_only(cast):
    save(cast, "admin", access_levels="public, internal, board")
    assert "board" in cast.membership("owner").access_levels
    assert "board" in cast.membership("admin").access_levels
    assert "board" not in cast.membership("member").access_levels


@pytest.mark.parametrize("name", ["member", "stranger", "neighbour", "nobody"])
def test_only_admins_save(cast, name):
    save(cast, name, name="Stolen")
    cast.tenant.refresh_from_db()
    assert cast.tenant.name != "Stolen"


def test_saving_keeps_the_corpus_revision_that_rose_meanwhile(tenant):
    Tenant.objects.filter(pk=tenant.pk).update(corpus_revision=41)
    update_tenant(tenant=tenant, actor="test", top_k=3)
    tenant.refresh_from_db()
    assert (tenant.corpus_revision, tenant.top_k) == (41, 3)


def test_service_checks_what_no_form_has_checked(tenant):
    with pytest.raises(InvalidRequest, match="top_k"):
        update_tenant(tenant=tenant, actor="test", top_k=500)
    add_document(tenant, "public")
    with pytest.raises(Conflict):
        update_tenant(tenant=tenant, actor="test", access_levels=["internal"])


def test_member_without_any_level_left_sees_nothing(cast):
    add_member(tenant=cast.tenant, user=cast["member"], role="member", access_levels=["internal"])
    save(cast, "owner", access_levels="public")
    page = cast.client("member").get(reverse("tenant-overview", args=[cast.tenant.slug]))
    assert page.status_code == 200

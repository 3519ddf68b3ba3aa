"""Changing many documents without a script: a form, a question, an answer."""

from __future__ import annotations

import pytest

from retrieval.models import Document, Source
from tenants.context import tenant_context
from tests.retrieval.pages import make_document, sign_in


@pytest.fixture
def owner(tenant):
    return sign_in(tenant)


@pytest.fixture
def url(tenant):
    return f"/t/{tenant.slug}/documents/bulk/"


def levels(tenant):
    with tenant_context(tenant):
        return dict(Document.objects.order_by("path").values_list("path", "access_level"))


def test_delete_asks_with_counts_and_changes_nothing_yet(owner, url, tenant):
    ids = [str(make_document(tenant, f"{n}.md", chunks=2).pk) for n in (1, 2)]
    page = owner.post(url, {"action": "delete", "id": ids}).content.decode()
    assert "Delete 2 documents?" in page
    assert "4 passages" in page
    assert "1.md" in page
    assert 'name="confirmed"' in page
    assert len(levels(tenant)) == 2
    answer = owner.post(url, {"action": "delete", "id": ids, "confirmed": "1"}, follow=True)
    assert "2 documents were deleted" in answer.content.decode()
    assert levels(tenant) == {}


def test_everything_means_what_the_address_filters(owner, url, tenant):
    for name in ("tea.md", "tea too.md", "coffee.md"):
        make_document(tenant, name)
    form = {"action": "set_access_level", "access_level": "internal", "everything": "1"}
    assert "Make 2 documents internal?" in owner.post(f"{url}?q=tea", form).content.decode()
    answer = owner.post(f"{url}?q=tea", form | {"confirmed": "1"})
    assert (answer.status_code, answer["Location"]) == (
        302,
        f"/t/{tenant.slug}/documents/?q=tea",
    )
    assert levels(tenant) == {"coffee.md": "public", "tea.md": "internal", "tea too.md": "internal"}


def test_what_a_source_brings_is_counted_and_stays(owner, url, tenant):
    document = make_document(tenant, "handbook.md")
    with tenant_context(tenant):
        source = Source.objects.create(name="Handbook", kind="folder")
        Document.objects.filter(pk=document.pk).update(source=source)
    form = {"action": "delete", "id": [str(document.pk)]}
    page = owner.post(url, form).content.decode()
    assert "Nothing to delete" in page
    assert "remove it there" in page
    answer = owner.post(url, form | {"confirmed": "1"}, follow=True).content.decode()
    assert "It comes from the source Handbook" in answer
    assert list(levels(tenant)) == ["handbook.md"]
    own_page = f"/t/{tenant.slug}/documents/{document.pk}/"
    for send in (owner.get, owner.post):
        answer = send(f"{own_page}delete/", follow=True).content.decode()
        assert "It comes from the source Handbook" in answer
    page = owner.get(own_page).content.decode()
    assert "Handbook" in page
    assert f"{document.pk}/delete/" not in page


def test_retry_is_done_at_once(owner, url, tenant):
    bad = make_document(tenant, "bad.md", status="failed")
    answer = owner.post(url, {"action": "retry", "id": [str(bad.pk)]}, follow=True)
    assert "1 document will be indexed again" in answer.content.decode()


@pytest.mark.parametrize(
    "form",
    [
        {"action": "delete"},
        {"action": "delete", "id": "mine"},
        {"action": "burn", "everything": "1"},
        {"action": "set_access_level", "everything": "1"},
        {"action": "set_access_level", "everything": "1", "access_level": "secret"},
    ],
)
def test_nothing_selected_changes_nothing(owner, url, tenant, form):
    make_document(tenant)
    answer = owner.post(url, form, follow=True)
    assert "Nothing is selected" in answer.content.decode()
    assert levels(tenant) == {"guide.md": "public"}


def test_admin_with_fewer_levels_touches_only_what_they_see(url, tenant):
    secret = make_document(tenant, "secret.md", access_level="internal")
    make_document(tenant, "plain.md")
    admin = sign_in(tenant, role="admin", levels=["public"])
    page = admin.post(url, {"action": "delete", "id": [str(secret.pk)]}).content.decode()
    assert "secret.md" not in page
    form = {"action": "delete", "everything": "1", "confirmed": "1"}
    admin.post(url, form)
    assert levels(tenant) == {"secret.md": "internal"}
    raised = {"action": "set_access_level", "access_level": "internal", "everything": "1"}
    assert "Nothing is selected" in admin.post(url, raised, follow=True).content.decode()


def test_member_may_not(url, tenant):
    member = sign_in(tenant, role="member", levels=["public"])
    assert member.post(url, {"action": "delete", "everything": "1"}).status_code == 403
    assert sign_in(tenant).get(url).status_code == 405


def test_long_work_goes_on_after_a_question(owner, url, tenant, monkeypatch):
    from retrieval.services import bulk

    monkeypatch.setattr(bulk, "MAX_DOCUMENTS", 1)
    monkeypatch.setattr("retrieval.views.bulk.SECONDS", 0)
    for name in ("a.md", "b.md"):
        make_document(tenant, name)
    form = {"action": "delete", "everything": "1", "confirmed": "1"}
    page = owner.post(url, form).content.decode()
    assert "1 document left" in page
    assert "Go on" in page
    assert "1 document was deleted" in owner.post(url, form, follow=True).content.decode()

"""Filters of the list of traces, kept under a name."""

from __future__ import annotations

import pytest

from monitoring.models import SavedView
from monitoring.saved_views import MOST_VIEWS, Shelf, save_view
from ragadmin.errors import Conflict
from tests.retrieval.pages import sign_in


@pytest.fixture
def owner(tenant):
    return sign_in(tenant)


@pytest.fixture
def post(owner, tenant):
    def post(**values):
        address = f"/t/{tenant.slug}/traces/views/"
        return owner.post(address, values, headers={"HX-Request": "true"}).content.decode()

    return post


def test_a_view_is_kept_opened_renamed_and_deleted(owner, tenant, post):
    page = post(action="save", name="Slow ones", latency_above="5000", rating="", q="kettle")
    assert f"/t/{tenant.slug}/traces/?q=kettle&amp;latency_above=5000" in page
    view = SavedView.objects.get(user=owner.user)
    assert "kettle" not in view.content_encrypted
    assert "Kettles" in post(action="rename", view=view.pk, name="Kettles")
    assert "Kettles" not in post(action="delete", view=view.pk)
    assert not SavedView.objects.filter(user=owner.user).exists()


def test_a_view_of_the_same_name_is_replaced(owner, post):
    post(action="save", name="Mine", rating="up")
    page = post(action="save", name="Mine", rating="down")
    assert "rating=down" in page
    assert "rating=up" not in page


def test_nobody_sees_or_changes_another_persons_views(owner, tenant, post):
    post(action="save", name="Mine alone", rating="down")
    view = SavedView.objects.get(user=owner.user)
    other = sign_in(tenant)
    address = f"/t/{tenant.slug}/traces/views/"
    change = {"action": "rename", "view": view.pk, "name": "Stolen"}
    seen = other.post(address, change, headers={"HX-Request": "true"}).content.decode()
    assert "Mine alone" not in seen
    assert "no such view" in seen
    other.post(address, {"action": "delete", "view": view.pk}, headers={"HX-Request": "true"})
    assert SavedView.objects.filter(pk=view.pk).exists()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"action": "save", "name": "", "rating": "up"}, "Give the view a name"),
        ({"action": "save", "name": "Nothing"}, "Filter the list first"),
        ({"action": "rename", "view": "5", "name": "x"}, "no such view"),
        ({"action": "burn"}, "saved, renamed or deleted"),
    ],
)
def test_what_cannot_be_done_is_said(post, values, words):
    assert words in post(**values)


def test_there_are_no_more_than_thirty(owner, tenant):
    shelf = Shelf(tenant.pk, owner.user.pk, "traces")
    for number in range(MOST_VIEWS):
        save_view(shelf, f"View {number}", "rating=up")
    save_view(shelf, "View 1", "rating=down")
    with pytest.raises(Conflict, match="the most"):
        save_view(shelf, "One more", "rating=up")

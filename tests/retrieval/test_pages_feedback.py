from __future__ import annotations

import pytest

from retrieval.models import Feedback
from tenants.context import tenant_context
from tests.retrieval.pages import make_trace, sign_in


@pytest.fixture
def member(tenant):
    return sign_in(tenant, role="member", levels=["public"])


@pytest.fixture
def trace(tenant, member):
    return make_trace(tenant, user=member.user)


@pytest.fixture
def rate(tenant, trace, member):
    def send(client=member, htmx=True, **fields):
        url = f"/t/{tenant.slug}/traces/{trace.id}/feedback/"
        return client.post(url, fields, headers={"HX-Request": "true"} if htmx else {})

    return send


def stored(tenant):
    with tenant_context(tenant):
        return list(Feedback.objects.values_list("rating", "reason", "comment"))


def test_thumb_is_stored_at_once_and_asks_why(rate, tenant):
    part = rate(rating="down").content.decode()
    assert stored(tenant) == [("down", "", "")]
    assert '<select id="reason-' in part
    assert 'aria-pressed="true"' in part


def test_rating_again_replaces(rate, tenant):
    rate(rating="down", reason="wrong", comment="No.")
    rate(rating="up", reason="wrong", comment="Yes after all.")
    assert stored(tenant) == [("up", "", "Yes after all.")]


def test_comment_is_saved_with_the_rating_it_belongs_to(rate, tenant):
    rate(rating="down")
    rate(save="down", reason="incomplete", comment="It leaves out the lid.")
    assert stored(tenant) == [("down", "incomplete", "It leaves out the lid.")]


def test_same_thumb_from_a_page_without_the_comment_keeps_it(rate, tenant):
    rate(save="down", reason="wrong", comment="No.")
    rate(rating="down")
    assert stored(tenant) == [("down", "wrong", "No.")]


@pytest.mark.parametrize(
    "fields",
    [
        {"rating": "sideways"},
        {"rating": "down", "reason": "weather"},
        {"rating": "down", "comment": "x" * 2001},
        {},
    ],
)
def test_bad_rating_is_refused_with_its_reason(rate, tenant, fields):
    assert 'role="alert"' in rate(**fields).content.decode()
    assert stored(tenant) == []


def test_rating_works_without_script(rate, tenant):
    answer = rate(htmx=False, rating="up")
    assert answer.status_code == 302
    assert stored(tenant) == [("up", "", "")]


def test_answer_of_somebody_else_cannot_be_rated(rate, tenant):
    other = sign_in(tenant, role="member", levels=["public"])
    assert rate(other, rating="up").status_code == 404
    assert stored(tenant) == []

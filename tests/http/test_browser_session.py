"""The playground's stream: a signed-in browser, with Django's own CSRF check."""

from __future__ import annotations

import uuid

import httpx
import pytest
from django.conf import settings
from django.test import Client

from tenants.services import create_tenant, create_user

QUESTION = {"question": "How do I reset my password?"}


@pytest.fixture
def member(corpus):
    user = create_user(email=f"{uuid.uuid4().hex}@example.org", password="a-long-password-1")
    corpus.membership_set.create(user=user, role="member", access_levels=["public"])
    return user


@pytest.fixture
def browser(web, member):
    django_client = Client()
    django_client.force_login(member)
    django_client.get("/accounts/password/change/")
    cookies = {name: morsel.value for name, morsel in django_client.cookies.items()}
    with httpx.Client(base_url=web.url, cookies=cookies, timeout=30) as client:
        yield client


def stream(browser, slug, **headers):
    token = browser.cookies.get(settings.CSRF_COOKIE_NAME, "")
    return browser.post(
        f"/stream/{slug}/answers/", json=QUESTION, headers={"X-CSRFToken": token, **headers}
    )


def test_a_member_asks_with_a_session_and_gets_a_conversation(browser, corpus):
    response = stream(browser, corpus.slug)
    assert response.status_code == 200
    assert "event: done" in response.text
    assert '"conversation_id":"' in response.text


def test_without_the_csrf_token_nothing_is_asked(browser, corpus):
    refused = browser.post(f"/stream/{corpus.slug}/answers/", json=QUESTION)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "csrf_failed")


def test_another_sites_page_cannot_ask(browser, corpus):
    refused = stream(browser, corpus.slug, Origin="https://elsewhere.example")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "csrf_failed")


def test_a_stranger_to_the_tenant_finds_nothing(browser):
    other = create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}")
    assert stream(browser, other.slug).status_code == 404


def test_a_changed_password_ends_the_session(browser, corpus, member):
    member.set_password("another-long-password-2")
    member.save()
    refused = stream(browser, corpus.slug)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "signed_out")


def test_a_bearer_header_is_not_replaced_by_the_session(browser, corpus):
    refused = stream(browser, corpus.slug, Authorization="Bearer wrong")
    assert refused.status_code == 401

from __future__ import annotations

import pytest
from django.test import Client, RequestFactory
from django.urls import resolve, reverse

from tenants.navigation import (
    ADMIN_PAGES,
    MEMBER_PAGES,
    OPERATOR_PAGES,
    QUALITY_PAGES,
    navigation,
)
from tenants.services import add_member
from tests.tenants.conftest import PASSWORD


def links_of(client: Client, url: str) -> list[str]:
    nav = client.get(url).context["nav"]
    return [link.label for section in nav.sections for link in section.links]


def test_every_link_of_the_navigation_leads_to_a_page():
    for _, _, suffix in (*MEMBER_PAGES, *QUALITY_PAGES, *ADMIN_PAGES):
        assert resolve(f"/t/some-tenant/{suffix}")
    for _, _, suffix in OPERATOR_PAGES:
        assert resolve(f"/operator/{suffix}")


@pytest.mark.parametrize(
    ("name", "sees"),
    [
        ("member", [*MEMBER_PAGES]),
        ("admin", [*MEMBER_PAGES, *QUALITY_PAGES, *ADMIN_PAGES]),
        ("owner", [*MEMBER_PAGES, *QUALITY_PAGES, *ADMIN_PAGES]),
        ("operator", [*MEMBER_PAGES, *QUALITY_PAGES, *ADMIN_PAGES, *OPERATOR_PAGES]),
    ],
)
def test_navigation_follows_the_role(shared_cast, name, sees):
    url = reverse("tenant-overview", args=[shared_cast.tenant.slug])
    assert links_of(shared_cast.client(name), url) == [label for label, _, _ in sees]


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/operator/", "Overview"),
        ("/operator/tenants/", "Tenants"),
        ("/operator/tenants/{slug}/", "Tenants"),
        ("/operator/new-tenant/", "Tenants"),
        ("/operator/models/new/", "Models"),
        ("/operator/audit/", "Audit"),
        ("/t/{slug}/", "Overview"),
        ("/t/{slug}/members/", "Members"),
    ],
)
def test_one_link_is_current(shared_cast, path, label):
    url = path.format(slug=shared_cast.tenant.slug)
    nav = shared_cast.client("operator").get(url).context["nav"]
    links = [link for section in nav.sections for link in section.links]
    assert [link.label for link in links if link.is_current] == [label]


def test_navigation_asks_nothing_until_it_is_drawn(shared_cast, django_assert_num_queries):
    request = RequestFactory().get("/")
    request.user = shared_cast["member"]
    with django_assert_num_queries(0):
        nav = navigation(request)["nav"]
    with django_assert_num_queries(1):
        assert list(nav.tenants) == [shared_cast.tenant]
        assert list(nav.tenants) == [shared_cast.tenant]


def test_switch_shows_only_the_tenants_one_belongs_to(shared_cast):
    url = reverse("tenant-overview", args=[shared_cast.tenant.slug])
    text = shared_cast.client("owner").get(url).content.decode()
    assert shared_cast.neighbour_tenant.slug not in text


@pytest.mark.parametrize(
    ("cookie", "shown"),
    [("dark", 'data-theme="dark"'), ("light", 'data-theme="light"'), ('"><script>', 'lang="en">')],
)
def test_theme_comes_from_its_cookie(cookie, shown):
    client = Client()
    client.cookies["theme"] = cookie
    assert shown in client.get(reverse("account_login")).content.decode()


def test_home_leads_by_role(shared_cast):
    assert shared_cast.client("nobody").get("/")["Location"] == reverse("account_login")
    assert shared_cast.client("operator").get("/")["Location"] == reverse("operator")
    assert shared_cast.client("member").get("/")["Location"] == f"/t/{shared_cast.tenant.slug}/"


def test_home_without_a_tenant_says_whom_to_ask(shared_cast):
    text = shared_cast.client("stranger").get("/").content.decode()
    assert "not a member of a tenant yet" in text
    assert shared_cast["stranger"].email in text


def test_home_of_several_tenants_lets_choose(cast):
    add_member(tenant=cast.neighbour_tenant, user=cast["owner"], role="member")
    text = cast.client("owner").get("/").content.decode()
    assert f"/t/{cast.tenant.slug}/" in text
    assert f"/t/{cast.neighbour_tenant.slug}/" in text


def test_sign_in_leads_home_and_out_again(shared_cast):
    client = Client()
    data = {"login": shared_cast["member"].email, "password": PASSWORD}
    assert client.post(reverse("account_login"), data)["Location"] == "/"
    assert client.get("/")["Location"] == f"/t/{shared_cast.tenant.slug}/"
    client.post(reverse("account_logout"))
    assert client.get("/")["Location"] == reverse("account_login")


def test_wrong_password_says_so_and_keeps_the_address(shared_cast):
    data = {"login": shared_cast["member"].email, "password": "wrong"}
    text = Client().post(reverse("account_login"), data).content.decode()
    assert "not correct" in text
    assert shared_cast["member"].email in text


def test_password_is_changed(cast):
    client = Client()
    client.login(email=cast["member"].email, password=PASSWORD)
    data = {
        "oldpassword": PASSWORD,
        "password1": "a-new-pass-phrase",
        "password2": "a-new-pass-phrase",
    }
    assert client.post(reverse("account_change_password"), data).status_code == 302
    cast["member"].refresh_from_db()
    assert cast["member"].check_password("a-new-pass-phrase")


def test_nobody_signs_up():
    client = Client()
    assert "by invitation" in client.get(reverse("account_signup")).content.decode()
    data = {"email": "me@example.com", "password1": "a-pass-phrase", "password2": "a-pass-phrase"}
    assert "by invitation" in client.post(reverse("account_signup"), data).content.decode()


def test_nobody_takes_another_address():
    assert Client().get("/accounts/email/").status_code == 404


def test_reset_is_offered_only_where_mail_is_sent(settings):
    login, reset = reverse("account_login"), reverse("account_reset_password")
    assert reset not in Client().get(login).content.decode()
    assert "sends no email" in Client().get(reset).content.decode()
    settings.EMAIL_URL = "smtp://localhost"
    assert reset in Client().get(login).content.decode()


def test_pages_carry_a_strict_policy():
    policy = Client().get(reverse("account_login"))["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


def test_missing_page_is_in_the_console_look(shared_cast):
    response = shared_cast.client("member").get("/no-such-page/")
    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()

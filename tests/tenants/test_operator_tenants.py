from __future__ import annotations

import uuid

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from tenants.models import AuditEvent, Membership, Tenant, User
from tenants.services import add_member, create_tenant

OUTSIDERS = ("owner", "admin", "member", "stranger")


def new_slug() -> str:
    return f"t-{uuid.uuid4().hex[:10]}"


def operator_urls(tenant: Tenant) -> list[str]:
    names = ("operator", "operator-new-tenant", "operator-models", "operator-new-model")
    plain = [reverse(name) for name in (*names, "operator-services", "operator-audit")]
    return [*plain, reverse("operator-tenant", args=[tenant.slug])]


def test_operator_opens_every_page(shared_cast):
    client = shared_cast.client("operator")
    for url in operator_urls(shared_cast.tenant):
        assert client.get(url).status_code == 200, url


@pytest.mark.parametrize("name", OUTSIDERS)
def test_operator_pages_do_not_exist_for_others(shared_cast, name):
    client = shared_cast.client(name)
    for url in operator_urls(shared_cast.tenant):
        assert client.get(url).status_code == 404, url


def test_operator_pages_ask_strangers_to_sign_in(shared_cast):
    client = shared_cast.client("nobody")
    for url in operator_urls(shared_cast.tenant):
        assert client.get(url)["Location"].startswith(reverse("account_login")), url


@pytest.mark.parametrize("name", OUTSIDERS)
def test_only_operators_suspend(shared_cast, name):
    url = reverse("operator-tenant-status", args=[shared_cast.tenant.slug])
    response = shared_cast.client(name).post(url, {"status": "suspended"})
    assert response.status_code == 404
    shared_cast.tenant.refresh_from_db()
    assert shared_cast.tenant.status == "active"


def test_new_tenant_is_made_and_its_time_told(shared_cast):
    slug = new_slug()
    response = shared_cast.client("operator").post(
        reverse("operator-new-tenant"),
        {"name": "Field notes", "slug": slug, "embedding_model": "local:all-MiniLM-L6-v2"},
        follow=True,
    )
    assert response.redirect_chain == [(reverse("operator-tenant", args=[slug]), 302)]
    assert Tenant.objects.get(slug=slug).name == "Field notes"
    assert "Field notes was made in" in response.content.decode()
    event = AuditEvent.objects.get(tenant__slug=slug, action="tenant.created")
    assert event.actor == shared_cast["operator"].email


@pytest.mark.parametrize(
    ("slug", "said"),
    [
        ("Bad Slug", "A slug has 3 to 40 characters"),
        ("operator", "is reserved"),
        ("", "This field is required"),
        ("x" * 41, "at most 40 characters"),
    ],
)
def test_bad_slug_is_told_at_its_field(shared_cast, slug, said):
    data = {"name": "X", "slug": slug, "embedding_model": "local:all-MiniLM-L6-v2"}
    response = shared_cast.client("operator").post(reverse("operator-new-tenant"), data)
    assert response.status_code == 200
    assert said in response.context["form"].errors["slug"][0]
    assert 'aria-invalid="true"' in response.content.decode()


def test_taken_slug_is_told_at_its_field(shared_cast):
    data = {
        "name": "X",
        "slug": shared_cast.tenant.slug,
        "embedding_model": "local:all-MiniLM-L6-v2",
    }
    response = shared_cast.client("operator").post(reverse("operator-new-tenant"), data)
    assert "already a tenant" in response.context["form"].errors["slug"][0]


def test_list_is_searched_and_filtered_by_the_address(shared_cast):
    client, tenant = shared_cast.client("operator"), create_tenant(slug=new_slug())
    found = client.get(reverse("operator-tenants"), {"q": tenant.slug[2:]}).context["page"]
    assert [row.slug for row in found] == [tenant.slug]
    suspended = client.get(reverse("operator-tenants"), {"q": tenant.slug, "status": "suspended"})
    assert "No tenant matches" in suspended.content.decode()


@pytest.mark.parametrize(
    "query", ["?q=%00", "?page=0", "?page=zz", "?status=no", "?q=" + "x" * 3000]
)
def test_odd_addresses_are_no_errors(shared_cast, query):
    assert (
        shared_cast.client("operator").get(reverse("operator-tenants") + query).status_code == 200
    )


def test_htmx_gets_the_table_alone(shared_cast):
    response = shared_cast.client("operator").get(
        reverse("operator-tenants"), headers={"HX-Request": "true"}
    )
    assert b"<html" not in response.content
    assert b"<table" in response.content


def test_list_counts_members_and_live_keys(shared_cast, cast):
    url = reverse("operator-tenants")
    page = cast.client("operator").get(url, {"q": cast.tenant.slug}).context["page"]
    assert (page[0].member_count, page[0].key_count) == (3, 0)


def test_list_asks_no_more_as_it_grows(shared_cast, django_assert_max_num_queries):
    client = shared_cast.client("operator")
    with django_assert_max_num_queries(7):
        client.get(reverse("operator-tenants"))


def test_new_member_gets_a_password_that_is_shown_once(cast):
    client, email = cast.client("operator"), f"new-{uuid.uuid4().hex[:8]}@example.com"
    url = reverse("operator-tenant-members", args=[cast.tenant.slug])
    data = {"email": email, "role": "owner", "access_levels": ["public", "internal"]}
    response = client.post(url, data)
    password = response.context["password"]
    assert password in response.content.decode()
    assert "no-store" in response["Cache-Control"]
    assert User.objects.get(email=email).check_password(password)
    shown_again = client.get(reverse("operator-tenant", args=[cast.tenant.slug]))
    assert password not in shown_again.content.decode()


def test_person_who_is_known_keeps_the_password(cast):
    url = reverse("operator-tenant-members", args=[cast.tenant.slug])
    data = {"email": cast["stranger"].email, "role": "member", "access_levels": ["public"]}
    response = cast.client("operator").post(url, data)
    assert response.status_code == 302
    member = Membership.objects.get(tenant=cast.tenant, user=cast["stranger"])
    assert (member.role, member.access_levels) == ("member", ["public"])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "no address"}, "email"),
        ({"role": "emperor"}, "role"),
        ({"access_levels": ["secret"]}, "access_levels"),
        ({"access_levels": []}, "access_levels"),
    ],
)
def test_wrong_member_is_told_at_the_field(shared_cast, changes, field):
    url = reverse("operator-tenant-members", args=[shared_cast.tenant.slug])
    data = {"email": "a@example.com", "role": "member", "access_levels": ["public"]} | changes
    response = shared_cast.client("operator").post(url, data)
    assert list(response.context["form"].errors) == [field]
    assert not User.objects.filter(email="a@example.com").exists()


def test_member_twice_is_told_at_the_field(shared_cast):
    url = reverse("operator-tenant-members", args=[shared_cast.tenant.slug])
    data = {"email": shared_cast["owner"].email, "role": "member", "access_levels": ["public"]}
    response = shared_cast.client("operator").post(url, data)
    assert "member already" in response.context["form"].errors["email"][0]


def test_suspended_tenant_shuts_people_out_until_it_is_resumed(cast):
    operator, owner = cast.client("operator"), cast.client("owner")
    url = reverse("operator-tenant-status", args=[cast.tenant.slug])
    page = reverse("members", args=[cast.tenant.slug])
    response = operator.post(url, {"status": "suspended"})
    assert "suspended" in str(next(iter(get_messages(response.wsgi_request))))
    assert owner.get(page).status_code == 403
    operator.post(url, {"status": "active"})
    assert owner.get(page).status_code == 200
    actions = AuditEvent.objects.filter(tenant=cast.tenant).values_list("action", flat=True)
    assert {"tenant.suspended", "tenant.resumed"} <= set(actions)


def test_repeated_suspension_is_recorded_once(cast):
    url = reverse("operator-tenant-status", args=[cast.tenant.slug])
    for _ in range(2):
        cast.client("operator").post(url, {"status": "suspended"})
    events = AuditEvent.objects.filter(tenant=cast.tenant, action="tenant.suspended")
    assert events.count() == 1


def test_unknown_tenant_is_not_found(shared_cast):
    url = reverse("operator-tenant", args=["no-such-tenant"])
    assert shared_cast.client("operator").get(url).status_code == 404


def test_audit_is_filtered_by_action_tenant_and_text(cast):
    add_member(tenant=cast.tenant, user=cast["stranger"], role="member", actor=cast["operator"])
    client, url = cast.client("operator"), reverse("operator-audit")
    filters = {"action": "member.set", "tenant": cast.tenant.slug, "text": cast["stranger"].email}
    page = client.get(url, filters).context["page"]
    assert [event.target for event in page] == [cast["stranger"].email]
    assert "Nothing matches" in client.get(url, filters | {"text": "zzz"}).content.decode()
    assert client.get(url + "?text=%00&tenant=%00&action=%00").status_code == 200


def test_services_page_names_what_is_down(shared_cast):
    response = shared_cast.client("operator").get(reverse("operator-services"))
    text = response.content.decode()
    assert "PostgreSQL" in text
    assert "Redis" in text
    assert "No sign of life" in text

from __future__ import annotations

import re
from typing import Any

import pytest
from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.test import RequestFactory
from django.urls import reverse

from retrieval.models import Source
from tenants.access import tenant_page
from tenants.context import current_tenant
from tenants.models import Tenant
from tenants.services import add_member

MEMBERS = {"owner", "admin", "member", "operator"}
ADMINS = {"owner", "admin", "operator"}
OUTSIDERS = {"stranger", "neighbour"}
EVERYBODY = sorted(MEMBERS | OUTSIDERS | {"nobody"})
PAGES = {
    "tenant-overview": MEMBERS,
    "keys": ADMINS,
    "members": ADMINS,
    "tenant-settings": ADMINS,
}


def expected_status(name: str, allowed: set[str]) -> int:
    if name in allowed:
        return 200
    return {"nobody": 302, "member": 403}.get(name, 404)


@pytest.mark.parametrize("name", EVERYBODY)
@pytest.mark.parametrize("page", PAGES)
def test_page_opens_for_its_roles_only(shared_cast, page, name):
    response = shared_cast.client(name).get(reverse(page, args=[shared_cast.tenant.slug]))
    assert response.status_code == expected_status(name, PAGES[page])


@pytest.mark.parametrize("name", EVERYBODY)
def test_change_of_a_member_opens_for_admins_only(shared_cast, name):
    member = shared_cast.membership("member")
    url = reverse("member", args=[shared_cast.tenant.slug, member.pk])
    assert shared_cast.client(name).get(url).status_code == expected_status(name, ADMINS)


@pytest.mark.parametrize("page", ["keys", "members", "tenant-settings"])
@pytest.mark.parametrize("name", ["member", "stranger", "neighbour", "nobody"])
def test_post_is_guarded_like_the_page(shared_cast, page, name):
    response = shared_cast.client(name).post(
        reverse(page, args=[shared_cast.tenant.slug]), {"name": "x"}
    )
    assert response.status_code == expected_status(name, ADMINS)


def test_stranger_and_unknown_slug_get_the_same_answer(shared_cast):
    client = shared_cast.client("stranger")
    other = client.get(reverse("tenant-overview", args=[shared_cast.tenant.slug]))
    unknown = client.get(reverse("tenant-overview", args=["no-such-tenant"]))
    assert other.status_code == unknown.status_code == 404
    assert without_csrf_token(other) == without_csrf_token(unknown)


def without_csrf_token(response) -> str:
    """The token is masked anew in every response."""
    return re.sub(r"\b\w{64}\b", "", response.content.decode())


def test_sign_in_returns_to_the_page_that_was_asked_for(shared_cast):
    url = reverse("keys", args=[shared_cast.tenant.slug])
    response = shared_cast.client("nobody").get(url)
    assert response["Location"] == f"{reverse('account_login')}?next={url}"


def test_fragment_of_a_signed_out_person_moves_the_whole_page_to_the_sign_in(shared_cast):
    url = reverse("keys", args=[shared_cast.tenant.slug])
    response = shared_cast.client("nobody").get(url, headers={"HX-Request": "true"})
    assert response["HX-Redirect"] == reverse("account_login")


def test_suspended_tenant_says_so_and_still_lets_operators_in(cast):
    Tenant.objects.filter(pk=cast.tenant.pk).update(status="suspended")
    url = reverse("tenant-overview", args=[cast.tenant.slug])
    response = cast.client("owner").get(url)
    assert response.status_code == 403
    assert "suspended" in response.content.decode()
    assert cast.client("operator").get(url).status_code == 200
    assert cast.client("stranger").get(url).status_code == 404


@pytest.mark.parametrize("name", EVERYBODY)
def test_operator_page_exists_for_operators_only(shared_cast, name):
    response = shared_cast.client(name).get(reverse("operator"))
    assert response.status_code == {"operator": 200, "nobody": 302}.get(name, 404)


def request_of(cast, name: str) -> Any:
    request: Any = RequestFactory().get("/")
    request.user = cast[name]
    return request


def test_view_runs_with_the_tenant_role_and_levels(shared_cast):
    seen = {}

    @tenant_page()
    def view(request, slug):
        seen.update(tenant=current_tenant().slug, role=request.role, levels=request.access_levels)
        Source.objects.count()
        return HttpResponse()

    view(request_of(shared_cast, "admin"), shared_cast.tenant.slug)
    assert seen == {
        "tenant": shared_cast.tenant.slug,
        "role": "admin",
        "levels": ("public", "internal"),
    }


def test_lazy_template_is_rendered_while_the_tenant_is_in_force(shared_cast):
    @tenant_page()
    def view(request, slug):
        return TemplateResponse(request, "403.html")

    response: Any = view(request_of(shared_cast, "member"), shared_cast.tenant.slug)
    assert response.is_rendered


def test_failed_view_leaves_nothing_behind(cast):
    @tenant_page()
    def view(request, slug):
        Source.objects.create(name="Half done", kind="upload")
        raise ZeroDivisionError

    @tenant_page()
    def count(request, slug):
        return HttpResponse(str(Source.objects.count()))

    with pytest.raises(ZeroDivisionError):
        view(request_of(cast, "owner"), cast.tenant.slug)
    response: Any = count(request_of(cast, "owner"), cast.tenant.slug)
    assert response.content == b"0"


def test_operator_enters_as_owner_with_every_level(shared_cast):
    seen = []

    @tenant_page("owner")
    def view(request, slug):
        seen.append((request.role, request.access_levels))
        return HttpResponse()

    view(request_of(shared_cast, "operator"), shared_cast.tenant.slug)
    assert seen == [("owner", ("public", "internal"))]


def test_level_that_the_tenant_no_longer_has_is_not_granted(cast):
    add_member(
        tenant=cast.tenant, user=cast["member"], role="member", access_levels=["public", "gone"]
    )
    seen = []

    @tenant_page()
    def view(request, slug):
        seen.append(request.access_levels)
        return HttpResponse()

    view(request_of(cast, "member"), cast.tenant.slug)
    assert seen == [("public",)]

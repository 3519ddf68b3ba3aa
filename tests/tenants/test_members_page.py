from __future__ import annotations

import html
import re
import threading

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from ragadmin.errors import Conflict, PermissionDenied
from tenants.grants import Granter
from tenants.members import change_member, invite_member, remove_member
from tenants.models import AuditEvent, Membership, User
from tenants.services import add_member
from tests.tenants.conftest import PASSWORD, new_email

BOTH = ["public", "internal"]


def granter(cast, name: str, levels=("public", "internal")) -> Granter:
    role = "owner" if name == "operator" else cast.membership(name).role
    return Granter(cast[name], role, tuple(levels))


def invite(cast, name: str, **data):
    data = {"role": "member", "access_levels": ["public"]} | data
    return cast.client(name).post(reverse("members", args=[cast.tenant.slug]), data)


def change(cast, name: str, who: str, **data):
    data = {"role": "member", "access_levels": BOTH} | data
    url = reverse("member", args=[cast.tenant.slug, cast.membership(who).pk])
    return cast.client(name).post(url, data)


def remove(cast, name: str, who: str):
    url = reverse("member-remove", args=[cast.tenant.slug, cast.membership(who).pk])
    return cast.client(name).post(url, follow=True)


def text_of(response) -> str:
    return html.unescape(response.content.decode())


def test_new_person_gets_a_password_that_works_and_is_shown_once(cast):
    email = new_email()
    response = invite(cast, "admin", email=f" {email.upper()} ")
    password = re.findall(r'<pre class="mono">([\w-]{16})</pre>', response.content.decode())[0]
    assert "no-store" in response["Cache-Control"]
    assert Client().login(email=email, password=password)
    member = Membership.objects.get(tenant=cast.tenant, user__email=email)
    assert (member.role, member.access_levels) == ("member", ["public"])
    page = cast.client("admin").get(reverse("members", args=[cast.tenant.slug]))
    assert password not in page.content.decode()


def test_known_person_is_added_without_a_new_password(cast):
    response = invite(cast, "owner", email=cast["stranger"].email)
    assert "have an account already" in response.content.decode()
    assert cast.membership("stranger").role == "member"
    assert Client().login(email=cast["stranger"].email, password=PASSWORD)


def test_member_cannot_be_added_twice(cast):
    response = invite(cast, "owner", email=cast["member"].email, role="admin")
    assert "is a member already" in text_of(response)
    assert cast.membership("member").role == "member"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"email": "not an address"}, "Enter a valid email address."),
        ({"email": "a@example.com", "role": "king"}, "Select a valid choice."),
        ({"email": "a@example.com", "access_levels": []}, "Choose at least one access level."),
        ({"email": "a@example.com", "access_levels": ["secret"]}, "Select a valid choice."),
    ],
)
def test_bad_invitation_says_what_is_wrong(cast, data, message):
    response = invite(cast, "owner", **data)
    assert message in text_of(response)
    assert Membership.objects.filter(tenant=cast.tenant).count() == 3


def test_admin_makes_no_owner(cast):
    response = invite(cast, "admin", email=new_email(), role="owner")
    assert "Only an owner" in text_of(response)
    assert "Only an owner" in text_of(change(cast, "admin", "member", role="owner"))
    assert not Membership.objects.filter(tenant=cast.tenant, role="owner").exclude(
        user=cast["owner"]
    )


def test_admin_touches_no_owner(cast):
    assert "Only an owner" in text_of(change(cast, "admin", "owner", role="member"))
    assert "Only an owner" in text_of(remove(cast, "admin", "owner"))
    assert cast.membership("owner").role == "owner"


@pytest.mark.parametrize("name", ["owner", "admin"])
def test_nobody_changes_their_own_membership(cast, name):
    response = change(cast, name, name, role="member")
    assert "You cannot change your own role" in text_of(response)
    assert cast.membership(name).role == name


def test_nobody_gives_a_level_they_do_not_have(cast):
    add_member(tenant=cast.tenant, user=cast["admin"], role="admin", access_levels=["public"])
    invite(cast, "admin", email=cast["stranger"].email, access_levels=BOTH)
    assert not Membership.objects.filter(tenant=cast.tenant, user=cast["stranger"]).exists()
    add_member(tenant=cast.tenant, user=cast["member"], role="member", access_levels=["public"])
    response = change(cast, "admin", "member", access_levels=BOTH)
    assert "do not have it yourself" in text_of(response)
    assert cast.membership("member").access_levels == ["public"]


def test_level_held_already_survives_a_change_by_somebody_without_it(cast):
    add_member(tenant=cast.tenant, user=cast["admin"], role="admin", access_levels=["public"])
    change(cast, "admin", "member", role="admin", access_levels=BOTH)
    assert cast.membership("member").role == "admin"
    assert cast.membership("member").access_levels == BOTH


def test_last_owner_stays(cast):
    assert "last owner" in text_of(change(cast, "operator", "owner", role="member"))
    assert "last owner" in text_of(remove(cast, "operator", "owner"))
    assert "last owner" in text_of(remove(cast, "owner", "owner"))
    assert cast.membership("owner").role == "owner"


def test_owner_may_go_once_there_is_another(cast):
    change(cast, "owner", "admin", role="owner")
    remove(cast, "owner", "owner")
    assert not Membership.objects.filter(tenant=cast.tenant, user=cast["owner"]).exists()


def test_two_owners_who_remove_each_other_leave_one(cast):
    add_member(tenant=cast.tenant, user=cast["admin"], role="owner")
    pair = {"owner": "admin", "admin": "owner"}
    refused = []
    both_ready = threading.Barrier(2)

    def run(name: str) -> None:
        member = cast.membership(pair[name])
        who = granter(cast, name)
        both_ready.wait()
        try:
            remove_member(member=member, granter=who)
        except Conflict:
            refused.append(name)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[name]) for name in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert Membership.objects.filter(tenant=cast.tenant, role="owner").count() == 1


def test_member_may_leave_and_lands_at_the_start(cast):
    remove(cast, "admin", "admin")
    assert not Membership.objects.filter(tenant=cast.tenant, user=cast["admin"]).exists()


def test_changes_are_audited_under_the_name_of_who_made_them(cast):
    invite(cast, "owner", email=cast["stranger"].email)
    change(cast, "owner", "stranger", role="admin")
    remove(cast, "operator", "stranger")
    events = AuditEvent.objects.filter(tenant=cast.tenant, target=cast["stranger"].email)
    assert sorted((event.action, event.actor) for event in events) == sorted(
        [
            ("member.set", cast["owner"].email),
            ("member.set", cast["owner"].email),
            ("member.removed", cast["operator"].email),
        ]
    )


def test_member_of_another_tenant_is_not_found(cast):
    foreign = Membership.objects.get(tenant=cast.neighbour_tenant)
    for page in ("member", "member-remove"):
        url = reverse(page, args=[cast.tenant.slug, foreign.pk])
        assert cast.client("owner").post(url).status_code == 404
    assert Membership.objects.filter(pk=foreign.pk).exists()


@pytest.mark.parametrize("name", ["member", "stranger", "neighbour", "nobody"])
def test_only_admins_change_or_remove(cast, name):
    change(cast, name, "member", role="admin")
    remove(cast, name, "member")
    assert cast.membership("member").role == "member"


def test_refused_invitation_makes_no_account(cast):
    email = new_email()
    with pytest.raises(PermissionDenied):
        invite_member(
            tenant=cast.tenant,
            email=email,
            role="owner",
            access_levels=["public"],
            granter=granter(cast, "admin"),
        )
    assert not User.objects.filter(email=email).exists()


def test_operator_changes_own_membership(cast):
    add_member(tenant=cast.tenant, user=cast["operator"], role="member")
    changed = change_member(
        member=cast.membership("operator"),
        role="admin",
        access_levels=BOTH,
        granter=granter(cast, "operator"),
    )
    assert changed.role == "admin"


def test_member_list_costs_the_same_queries_for_many_members(cast):
    client = cast.client("admin")
    url = reverse("members", args=[cast.tenant.slug])
    client.get(url)
    with CaptureQueriesContext(connection) as few:
        client.get(url)
    for _ in range(6):
        invite(cast, "owner", email=new_email())
    with CaptureQueriesContext(connection) as many:
        client.get(url)
    assert len(many) == len(few)

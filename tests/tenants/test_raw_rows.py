"""Django's admin: for superusers, to look at; for everybody else it is not there."""

from __future__ import annotations

import re
import uuid

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from tenants.keys import create_api_key
from tenants.models import Membership, User
from tenants.services import create_tenant


@pytest.fixture
def superuser():
    client = Client()
    client.force_login(User.objects.create_superuser(f"{uuid.uuid4().hex}@example.com", "x" * 12))
    return client


def test_strangers_are_asked_to_sign_in():
    answer = Client().get("/django-admin/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("path", ["", "tenants/tenant/", "tenants/tenant/1/change/", "login/"])
def test_a_tenants_owner_finds_nothing_there(tenant, path):
    user = User.objects.create_user(f"{uuid.uuid4().hex}@example.com", "x" * 12, is_staff=True)
    Membership.objects.create(tenant=tenant, user=user, role="owner")
    client = Client()
    client.force_login(user)
    assert client.get(f"/django-admin/{path}").status_code == 404


@pytest.mark.parametrize("model", list(admin.site._registry), ids=lambda model: model._meta.label)
def test_every_list_opens_without_a_script_of_its_own(superuser, tenant, model):
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
    answer = superuser.get(reverse(name))
    assert answer.status_code == 200
    scripts = re.findall(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>", answer.text)
    assert scripts == []


def test_rows_are_shown_without_what_is_secret_and_cannot_be_changed(superuser):
    tenant = create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}")
    key, _ = create_api_key(tenant=tenant, name="k", scopes=["query"])
    answer = superuser.get(f"/django-admin/tenants/apikey/{key.pk}/change/")
    assert answer.status_code == 200
    assert key.key_hash not in answer.text
    change = f"/django-admin/tenants/tenant/{tenant.pk}/change/"
    assert superuser.get(change).status_code == 200
    assert superuser.post(change, {"name": "Other"}).status_code == 403
    delete = f"/django-admin/tenants/tenant/{tenant.pk}/delete/"
    assert superuser.post(delete, {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("path", ["auth/group/", "account/emailaddress/"])
def test_what_other_apps_would_let_be_changed_by_hand_is_not_there(superuser, path):
    assert superuser.get(f"/django-admin/{path}").status_code == 404

"""The cast of every test about who may do what: one tenant, its neighbour, and six people."""

from __future__ import annotations

import asyncio
import threading
import uuid
from dataclasses import dataclass

import pytest
from django.test import Client

from ragadmin.embedded.ports import free_port
from retrieval.mock_model.server import start_server
from tenants.models import Membership, Tenant, User
from tenants.services import add_member, create_operator, create_tenant, create_user

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Cast:
    tenant: Tenant
    neighbour_tenant: Tenant
    people: dict[str, User]

    def __getitem__(self, name: str) -> User:
        return self.people[name]

    def client(self, name: str, **options) -> Client:
        """A browser signed in as this person; "nobody" is not signed in."""
        client = Client(**options)
        if name != "nobody":
            client.force_login(self.people[name])
        return client

    def membership(self, name: str) -> Membership:
        return Membership.objects.get(tenant=self.tenant, user=self.people[name])


def new_email(name: str = "person") -> str:
    return f"{name}-{uuid.uuid4().hex[:10]}@example.com"


def make_cast() -> Cast:
    tenant = create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}")
    neighbour_tenant = create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}")
    names = ("owner", "admin", "member", "stranger", "neighbour")
    people = {name: create_user(email=new_email(name), password=PASSWORD) for name in names}
    people["operator"] = create_operator(email=new_email("operator"), password=PASSWORD)
    for role in ("owner", "admin", "member"):
        add_member(tenant=tenant, user=people[role], role=role)
    add_member(tenant=neighbour_tenant, user=people["neighbour"], role="owner")
    return Cast(tenant, neighbour_tenant, people)


@pytest.fixture
def cast() -> Cast:
    return make_cast()


@pytest.fixture(scope="module")
def shared_cast(django_db_setup, django_db_blocker) -> Cast:
    """For tests that only read."""
    with django_db_blocker.unblock():
        return make_cast()


@pytest.fixture(scope="module")
def model_url():
    """The stub model, served beside the tests as a real endpoint would be."""
    loop, port = asyncio.new_event_loop(), free_port()
    server = loop.run_until_complete(start_server("127.0.0.1", port))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield f"http://127.0.0.1:{port}/v1"
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()

"""The web process as it runs, asked over HTTP."""

from __future__ import annotations

import httpx
import pytest

from tenants.keys import create_api_key
from tests.corpora import give_documents
from tests.stack import Stack


@pytest.fixture(scope="session")
def web(services, django_db_setup):
    with Stack(services, model="mock-0-12-0").running(worker=False) as stack:
        yield stack


@pytest.fixture
def corpus(tenant):
    give_documents(tenant)
    return tenant


@pytest.fixture
def key(corpus):
    return make_key(corpus)


@pytest.fixture
def api(web, key):
    with client_for(web, key) as client:
        yield client


def make_key(tenant, scopes=("query", "ingest", "admin"), levels=()):
    return create_api_key(tenant=tenant, name="test", scopes=scopes, access_levels=levels)[1]


def client_for(web, key):
    headers = {"Authorization": f"Bearer {key}"}
    # Certificates, for which plain HTTP has no use, take 26 ms to read.
    return httpx.Client(base_url=web.url, headers=headers, timeout=30, verify=False)

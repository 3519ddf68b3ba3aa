"""Connectors see no database, so their tests start none."""

from __future__ import annotations

import pytest

from retrieval.connectors import robots
from tests.retrieval.connectors.website import Website


@pytest.fixture(autouse=True)
def database():
    """In place of the one that all other tests have."""


@pytest.fixture(autouse=True)
def forget_robots():
    """Another test's website may have had the same port."""
    robots._lately.clear()


@pytest.fixture
def site(settings):
    """A website that sources may read, though it is on this machine."""
    with Website() as website:
        settings.PRIVATE_SOURCE_HOSTS = [f"localhost:{website.port}"]
        yield website

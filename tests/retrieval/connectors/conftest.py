"""Connectors see no database, so their tests start none."""

from __future__ import annotations

import pytest

from retrieval.connectors import robots


@pytest.fixture(autouse=True)
def database():
    """In place of the one that all other tests have."""


@pytest.fixture(autouse=True)
def forget_robots():
    """Another test's website may have had the same port."""
    robots._lately.clear()

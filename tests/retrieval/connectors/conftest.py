"""Connectors see no database, so their tests start none."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def database():
    """In place of the one that all other tests have."""

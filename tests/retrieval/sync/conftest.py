from __future__ import annotations

import pytest

from tests.retrieval.sync.api import Caller


@pytest.fixture
def folder(tmp_path, settings):
    """Three files below a root that sources may read."""
    settings.SYNC_ROOTS = [str(tmp_path)]
    place = tmp_path / tmp_path.name
    place.mkdir()
    for name in ("one", "two", "three"):
        (place / f"{name}.md").write_text(f"# Page {name}\n\nThis page speaks of {name} kettles.")
    return place


@pytest.fixture
def caller(tenant):
    return Caller(tenant)

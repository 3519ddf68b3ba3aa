from __future__ import annotations

import os
import time

import pytest

from tests.retrieval.sync.api import Caller


@pytest.fixture
def folder(tmp_path, settings):
    """Three files below a root that sources may read."""
    settings.SYNC_ROOTS = [str(tmp_path)]
    place = tmp_path / tmp_path.name
    place.mkdir()
    for name in ("one", "two", "three"):
        path = place / f"{name}.md"
        path.write_text(f"# Page {name}\n\nThis page speaks of {name} kettles.")
        # What was written this moment is read again by the next sync.
        os.utime(path, (time.time() - 3600,) * 2)
    return place


@pytest.fixture
def caller(tenant):
    return Caller(tenant)

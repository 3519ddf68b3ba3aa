"""The manual's example of a connector, run as it stands there."""

from __future__ import annotations

import importlib.util
import re
import zipfile
from pathlib import Path

import pytest

from ragadmin.errors import InvalidRequest
from retrieval.connectors.base import ItemGone, SourceUnavailable

MANUAL = Path(__file__).parents[3] / "docs" / "sources.md"


@pytest.fixture
def connector_class(tmp_path):
    [code] = re.findall(r"```python\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    (tmp_path / "archive.py").write_text(code)
    spec = importlib.util.spec_from_file_location("archive", tmp_path / "archive.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ArchiveConnector


@pytest.fixture
def archive(tmp_path, settings):
    settings.SYNC_ROOTS = [str(tmp_path / "root")]
    (tmp_path / "root").mkdir()
    path = tmp_path / "root" / "handbook.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("guides/start.md", "# Start")
        made.writestr("photo.jpg", "x")
    return path


def test_the_manuals_connector_lists_and_reads(connector_class, archive):
    connector = connector_class(
        connector_class.clean_config({"path": str(archive)}, tenant_slug="acme"), {}
    )
    [item] = connector.list_items({})
    assert item.path == "guides/start.md"
    content = connector.fetch(item.external_id)
    assert (content.data, content.fingerprint) == (b"# Start", item.fingerprint)
    assert connector.describe() == str(archive)
    with pytest.raises(ItemGone):
        connector.fetch("gone.md")
    archive.unlink()
    with pytest.raises(SourceUnavailable):
        list(connector.list_items({}))
    connector.close()


def test_the_manuals_connector_stays_below_the_roots(connector_class, archive):
    with pytest.raises(InvalidRequest):
        connector_class.clean_config({"path": "/etc/secret.zip"}, tenant_slug="acme")


def test_the_manual_names_every_option_and_credential():
    from retrieval.connectors.folder import FolderConnector
    from retrieval.connectors.locations import STORES

    text = MANUAL.read_text()
    names = {option for store in STORES.values() for option in store.options}
    for name in names | set(FolderConnector.credential_fields):
        assert f"`{name}`" in text

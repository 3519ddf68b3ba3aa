"""Names that files of this machine can have."""

from __future__ import annotations

import os
import unicodedata

import pytest

from retrieval.connectors.base import MAX_EXTERNAL_ID_BYTES, SkippedItem
from retrieval.connectors.folder import FolderConnector
from retrieval.connectors.local_files import name_item, path_of
from retrieval.connectors.stores import key_of, name_key


@pytest.fixture
def connector(tmp_path, settings):
    settings.SYNC_ROOTS = [str(tmp_path)]
    config = FolderConnector.clean_config({"url": str(tmp_path)}, tenant_slug="acme")
    connector = FolderConnector(config, {})
    yield connector
    connector.close()


def write(folder, name, data):
    """By bytes, which is what names are."""
    fd = os.open(os.fsencode(folder) + b"/" + name, os.O_CREAT | os.O_WRONLY)
    os.write(fd, data)
    os.close(fd)


ODD_NAMES = [
    b" blank both ends .md",
    b"'single' \"double\" `back`.md",
    b"line\nbreak\ttab\x1bescape.md",
    b"back\\slash.md",
    b"-rf.md",
    b"100%20.md",
    b"\xff\xfe not utf-8.md",
    b"caf\xe9 latin.md",
    "grün 漢字 😀.md".encode(),
    "exe\u202etxt.md".encode(),
    "line\u2028separator.md".encode(),
    b"x" * 252 + b".md",
    "ü".encode() * 126 + b".md",
]


@pytest.mark.parametrize("name", ODD_NAMES, ids=range(len(ODD_NAMES)))
def test_any_name_is_listed_legibly_and_read_back(tmp_path, connector, name):
    write(tmp_path, name, name)
    [item] = connector.list_items({})
    assert connector.fetch(item.external_id).data == name
    assert item.external_id.encode().decode() == item.external_id
    assert "\0" not in item.external_id
    assert len(item.external_id.encode()) <= MAX_EXTERNAL_ID_BYTES
    bad = {"Cc", "Cs", "Zl", "Zp"}
    assert not any(unicodedata.category(c) in bad or c == "\u202e" for c in item.path)
    assert item.path.endswith(".md")


def test_names_that_people_take_for_the_same_are_different_files(tmp_path, connector):
    names = ["é.md", "e\u0301.md", "Readme.md", "readme.md"]
    for name in names:
        write(tmp_path, name.encode(), name.encode())
    items = list(connector.list_items({}))
    assert {item.external_id for item in items} == set(names)
    assert all(
        connector.fetch(item.external_id).data == item.external_id.encode() for item in items
    )


def test_a_name_that_differs_in_case_only_is_another_name(tmp_path, connector):
    write(tmp_path, b"guide.md", b"x")
    [before] = connector.list_items({})
    (tmp_path / "guide.md").rename(tmp_path / "Guide.md")
    [after] = connector.list_items({})
    assert (before.external_id, after.external_id) == ("guide.md", "Guide.md")
    assert before.fingerprint == after.fingerprint


def test_a_path_that_is_too_long_counts_as_failed(tmp_path, connector):
    deep = tmp_path
    for _ in range(5):
        deep = deep / ("f" * 220)
    deep.mkdir(parents=True)
    write(deep, b"a.md", b"x")
    [item] = connector.list_items({})
    assert isinstance(item, SkippedItem)
    assert (item.code, item.is_failure) == ("bad_path", True)
    assert len(item.path) <= 1000
    assert item.path.endswith("a.md")


def test_bytes_that_are_no_text_take_three_letters_each_and_may_be_too_long(tmp_path, connector):
    deep = tmp_path
    for _ in range(4):
        deep = deep / os.fsdecode(b"\xff" * 200)
    deep.mkdir(parents=True)
    write(deep, b"a.md", b"x")
    [item] = connector.list_items({})
    assert (item.code, item.is_failure) == ("bad_path", True)


@pytest.mark.parametrize("name", ["a/b.md", "a%2Fb.md", os.fsdecode(b"a/\xff%.md"), "ü/ü.md"])
def test_external_ids_lead_back_to_the_name(name):
    assert path_of(name_item(name)) == name


@pytest.mark.parametrize("key", ["a.md", "/a.md", "//a.md", "a\0b.md", "%2F.md", "///%.md"])
def test_external_ids_lead_back_to_the_key(key):
    assert key_of(name_key(key)) == key
    assert "\0" not in name_key(key)

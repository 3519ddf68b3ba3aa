"""Folders of this machine: what is listed, and what is read."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from ragadmin.errors import TooLarge
from retrieval.connectors.base import ItemGone, ItemUnreadable, SkippedItem, SourceUnavailable
from retrieval.connectors.folder import FolderConnector

LONG_AGO = 1_600_000_000


@pytest.fixture
def base():
    """A folder that strangers may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(os.path.realpath(name))


@pytest.fixture
def root(base, settings):
    settings.SYNC_ROOTS = [str(base / "root")]
    folder = base / "root" / "docs"
    folder.mkdir(parents=True)
    return folder


@contextmanager
def as_stranger():
    """Root may read all: for a while we are somebody else."""
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if was_root:
            os.seteuid(0)


@pytest.fixture
def open_folder(root):
    opened = []

    def make(url=root, **config):
        config = FolderConnector.clean_config({"url": str(url), **config}, tenant_slug="acme")
        opened.append(FolderConnector(config, {}))
        return opened[-1]

    yield make
    for connector in opened:
        connector.close()


def write(root, *paths, text="text"):
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        os.utime(file, (LONG_AGO, LONG_AGO))


def list_items(connector):
    found = list(connector.list_items({}))
    items = {item.path: item for item in found if not isinstance(item, SkippedItem)}
    skipped = {item.path: item for item in found if isinstance(item, SkippedItem)}
    assert len(items) + len(skipped) == len(found)
    return items, skipped


def test_lists_every_document_with_size_and_time(root, open_folder):
    write(root, "a.md", "guides/start.md", "guides/deep/er/x.PDF")
    items, skipped = list_items(open_folder())
    assert set(items) == {"a.md", "guides/start.md", "guides/deep/er/x.PDF"}
    assert not skipped
    assert items["a.md"].external_id == "a.md"
    assert items["a.md"].size == 4
    assert items["a.md"].fingerprint == f"4-{LONG_AGO}000000000"
    assert open_folder().reads_cheaply


def test_fetches_the_bytes_with_the_fingerprint_that_the_listing_gave(root, open_folder):
    write(root, "guides/start.md", text="hello")
    connector = open_folder()
    items, _ = list_items(connector)
    content = connector.fetch("guides/start.md")
    assert (content.data, content.filename) == (b"hello", "start.md")
    assert content.fingerprint == items["guides/start.md"].fingerprint


def test_a_file_just_written_has_no_fingerprint_yet(root, open_folder):
    """A second edit in the same tick of the clock would leave size and time as they are."""
    (root / "a.md").write_text("one")
    connector = open_folder()
    assert connector.fetch("a.md").fingerprint == ""
    assert list_items(connector)[0]["a.md"].fingerprint != ""
    os.utime(root / "a.md", (time.time() - 5, time.time() - 5))
    assert connector.fetch("a.md").fingerprint != ""


def test_hidden_files_and_droppings_are_nobodys_business(root, open_folder):
    write(root, ".hidden.md", ".git/config.md", "~$letter.docx", ".DS_Store", "Thumbs.db", "a.md~")
    write(root, ".~lock.a.odt#", "desktop.ini", "__MACOSX/a.md", "a.md")
    items, skipped = list_items(open_folder())
    assert set(items) == {"a.md"}
    assert not skipped


def test_types_that_cannot_be_read_are_named(root, open_folder):
    write(root, "photo.jpg", "README", "tool.exe", "a.tar.gz", "a.md")
    items, skipped = list_items(open_folder())
    assert set(items) == {"a.md"}
    assert {item.code for item in skipped.values()} == {"unsupported_type"}
    assert not any(item.is_failure for item in skipped.values())


def test_an_ending_that_a_pattern_names_is_read_as_text(root, open_folder):
    write(root, "src/main.py", "src/main.c", "a.md")
    items, _ = list_items(open_folder(include=["*.py", "*.md"]))
    assert set(items) == {"src/main.py", "a.md"}


def test_patterns_include_and_exclude(root, open_folder):
    write(root, "a.md", "drafts/b.md", "guides/drafts/c.md", "guides/d.md", "guides/e.txt")
    items, skipped = list_items(open_folder(include=["guides/**"], exclude=["drafts/", "*.txt"]))
    assert set(items) == {"guides/d.md"}
    # A folder that is excluded is named once and not looked into.
    assert set(skipped) == {"a.md", "drafts/", "guides/drafts/", "guides/e.txt"}
    assert {item.code for item in skipped.values()} == {"excluded"}


def test_a_file_that_is_too_large_counts_as_failed(root, open_folder, settings):
    settings.MAX_UPLOAD_BYTES = 10
    write(root, "a.md", text="x" * 11)
    connector = open_folder()
    _, skipped = list_items(connector)
    assert (skipped["a.md"].code, skipped["a.md"].is_failure) == ("too_large", True)
    with pytest.raises(TooLarge):
        connector.fetch("a.md")


def test_links_inside_the_folder_are_followed(root, open_folder):
    write(root, "a.md", ".releases/42/guides/b.md")
    (root / "link.md").symlink_to("a.md")
    (root / "current").symlink_to(".releases/42")
    connector = open_folder()
    items, skipped = list_items(connector)
    assert set(items) == {"a.md", "link.md", "current/guides/b.md"}
    assert not skipped
    assert connector.fetch("current/guides/b.md").data == b"text"
    assert connector.fetch("link.md").data == b"text"


def test_a_link_to_a_neighbour_doubles_nothing(root, open_folder):
    write(root, "v3/a.md")
    (root / "latest").symlink_to("v3")
    assert set(list_items(open_folder())[0]) == {"v3/a.md"}


def test_links_out_of_the_folder_are_not_followed(root, open_folder, base):
    (base / "root" / "other").mkdir()
    (base / "root" / "other" / "secret.md").write_text("secret")
    (root / "file.md").symlink_to("../other/secret.md")
    (root / "folder").symlink_to(base / "root" / "other")
    (root / "up").symlink_to("..")
    connector = open_folder()
    items, skipped = list_items(connector)
    assert not items
    assert {path: item.code for path, item in skipped.items()} == {
        "file.md": "outside_root",
        "folder": "outside_root",
        "up": "outside_root",
    }
    for path in ("file.md", "folder/secret.md", "up/other/secret.md"):
        with pytest.raises(ItemGone):
            connector.fetch(path)


def test_links_that_go_round_end(root, open_folder):
    write(root, "a/b/c.md")
    (root / "a" / "b" / "top").symlink_to(root)
    (root / "a" / "up").symlink_to("..")
    (root / "self").symlink_to("self")
    (root / "nothing.md").symlink_to("gone.md")
    items, skipped = list_items(open_folder())
    assert set(items) == {"a/b/c.md"}
    assert {path: item.code for path, item in skipped.items()} == {
        "self": "broken_link",
        "nothing.md": "broken_link",
    }


def test_a_link_swapped_in_after_the_listing_does_not_escape(root, open_folder, base):
    write(root, "guides/a.md", "b.md")
    secret = base / "secret"
    secret.mkdir()
    (secret / "a.md").write_text("secret")
    connector = open_folder()
    list_items(connector)
    (root / "guides").rename(base / "away")
    (root / "guides").symlink_to(secret)
    (root / "b.md").unlink()
    (root / "b.md").symlink_to(secret / "a.md")
    for path in ("guides/a.md", "b.md"):
        with pytest.raises(ItemGone):
            connector.fetch(path)


@pytest.mark.parametrize("path", ["../secret.md", "/etc/passwd", "a/../../secret.md", "", "a\0.md"])
def test_names_that_no_listing_gave_are_gone(open_folder, base, path):
    (base / "root" / "secret.md").write_text("secret")
    for external_id in (path, "//" + path.replace(".", "%2E").replace("\0", "%00")):
        with pytest.raises(ItemGone):
            open_folder().fetch(external_id)


def test_pipes_sockets_and_devices_are_no_files_and_never_block(root, open_folder):
    os.mkfifo(root / "pipe.md")
    write(root, "a.md")
    connector = open_folder()
    items, skipped = list_items(connector)
    assert set(items) == {"a.md"}
    assert skipped["pipe.md"].code == "unsupported_type"
    with pytest.raises(ItemGone):
        connector.fetch("pipe.md")


def test_a_file_that_became_a_folder_is_gone(root, open_folder):
    write(root, "a.md")
    connector = open_folder()
    (root / "a.md").unlink()
    write(root, "a.md/b.md")
    with pytest.raises(ItemGone):
        connector.fetch("a.md")
    assert set(list_items(connector)[0]) == {"a.md/b.md"}


def test_a_file_that_was_deleted_is_gone(open_folder):
    with pytest.raises(ItemGone):
        open_folder().fetch("a.md")


WRITER = (
    "import sys\nfile = open(sys.argv[1], 'ab', 0)\nprint(flush=True)\nwhile True: file.write(b'x')"
)


def test_a_file_that_is_being_written_is_tried_again_later(root, open_folder):
    (root / "a.md").touch()
    os.truncate(root / "a.md", 50_000_000)
    command = [sys.executable, "-c", WRITER, str(root / "a.md")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        try:
            writer.stdout.readline()
            with pytest.raises(ItemUnreadable) as raised:
                # Once is not enough where the writer waits for its turn meanwhile.
                for _ in range(20):
                    open_folder().fetch("a.md")
        finally:
            writer.kill()
    assert (raised.value.code, raised.value.permanent) == ("changing", False)
    assert len(open_folder().fetch("a.md").data) == (root / "a.md").stat().st_size


def test_a_file_that_may_not_be_read_is_tried_again_later(root, open_folder):
    write(root, "a.md")
    (root / "a.md").chmod(0)
    with as_stranger(), pytest.raises(ItemUnreadable) as raised:
        open_folder().fetch("a.md")
    assert (raised.value.code, raised.value.permanent) == ("permission_denied", False)


def test_the_names_of_folders_on_the_way_need_not_be_readable(root, open_folder):
    """A home folder may often be passed and not listed."""
    write(root, "a.md")
    root.parent.chmod(0o711)
    with as_stranger():
        assert set(list_items(open_folder())[0]) == {"a.md"}


def test_a_folder_that_may_not_be_read_fails_the_listing(root, open_folder):
    """Its documents would look deleted."""
    write(root, "a.md", "closed/b.md")
    (root / "closed").chmod(0)
    with as_stranger(), pytest.raises(SourceUnavailable) as raised:
        list_items(open_folder())
    assert raised.value.code == "permission_denied"
    assert "closed" in raised.value.message


def test_a_folder_that_vanished_fails_the_listing(root, open_folder):
    connector = open_folder()
    root.rename(root.parent / "elsewhere")
    with pytest.raises(SourceUnavailable) as raised:
        list_items(connector)
    assert (raised.value.code, raised.value.permanent) == ("folder_missing", False)


def test_a_folder_that_vanishes_while_it_is_listed_fails_the_listing(root, open_folder):
    write(root, "a/x.md", "b/x.md")
    found = open_folder().list_items({})
    next(found)
    root.rename(root.parent / "elsewhere")
    with pytest.raises(SourceUnavailable):
        list(found)


def test_a_folder_replaced_while_it_is_listed_fails_the_listing(root, open_folder):
    write(root, "a/x.md", "b/x.md")
    found = open_folder().list_items({})
    next(found)
    root.rename(root.parent / "elsewhere")
    root.mkdir()
    with pytest.raises(SourceUnavailable, match="replaced"):
        list(found)


def test_a_subfolder_that_vanishes_meanwhile_is_just_gone(root, open_folder):
    write(root, "a/x.md", "b/x.md")
    found = open_folder().list_items({})
    first = next(found)
    other = "b" if first.path.startswith("a") else "a"
    (root / other).rename(root.parent / "away")
    assert list(found) == []


def test_ten_thousand_files_are_listed_in_less_than_a_second(root, open_folder):
    for number in range(100):
        (root / f"{number}").mkdir()
    template = root / "0" / "template.md"
    template.write_text("text")
    for number in range(10_000):
        os.link(template, root / f"{number % 100}" / f"file-{number}.md")
    started = time.perf_counter()
    assert len(list(open_folder().list_items({}))) == 10_001
    assert time.perf_counter() - started < 1


def test_describes_itself(root, open_folder):
    assert open_folder().describe() == str(root)
    assert open_folder(f"file://{root}/").describe() == str(root)
    assert open_folder().link_to("a.md") == ""

"""Which folders and stores a source may name."""

from __future__ import annotations

import pytest

from ragadmin import env
from ragadmin.errors import ConfigurationError, InvalidRequest
from retrieval.connectors.base import SourceUnavailable
from retrieval.connectors.folder import FolderConnector
from retrieval.connectors.registry import connector_class


@pytest.fixture
def root(tmp_path, settings):
    settings.SYNC_ROOTS = [str(tmp_path / "root")]
    (tmp_path / "root" / "docs").mkdir(parents=True)
    return tmp_path / "root"


def clean(url, slug="acme", **config):
    return FolderConnector.clean_config({"url": url, **config}, tenant_slug=slug)


def refusal_of(url, **config):
    with pytest.raises(InvalidRequest) as raised:
        clean(url, **config)
    return raised.value


def test_a_folder_below_a_root_is_taken_in_its_normal_form(root):
    assert connector_class("folder") is FolderConnector
    assert clean(f" {root}//docs/../docs/ ") == {
        "url": f"{root}/docs",
        "root": str(root),
        "include": [],
        "exclude": [],
        "options": {},
    }
    assert clean(f"file://{root}/docs")["url"] == f"{root}/docs"
    (root / "with blank").mkdir()
    assert clean(f"file://{root}/with%20blank")["url"] == f"{root}/with blank"


def test_what_is_stored_can_be_sent_again(root):
    config = clean(f"{root}/docs", include=["*.md"])
    assert FolderConnector.clean_config(config, tenant_slug="acme") == config


def test_the_border_is_found_anew_and_not_taken_from_what_is_sent(root):
    assert clean(f"{root}/docs", root="/")["root"] == str(root)


def test_without_roots_the_message_says_what_to_set(tmp_path, settings):
    settings.SYNC_ROOTS = []
    assert "RAGADMIN_SYNC_ROOTS" in refusal_of(str(tmp_path)).message


def test_folders_elsewhere_are_refused_alike_whether_they_exist_or_not(root):
    messages = [refusal_of(url).message for url in ("/etc", "/nowhere-at-all", f"{root}-other")]
    assert all("RAGADMIN_SYNC_ROOTS" in message and str(root) in message for message in messages)
    assert "RAGADMIN_SYNC_ROOTS" in refusal_of(f"{root}/../..").message


def test_a_link_out_of_the_root_is_refused(root):
    (root / "link").symlink_to("/etc")
    assert "RAGADMIN_SYNC_ROOTS" in refusal_of(f"{root}/link").message


def test_a_folder_that_is_missing_or_no_folder_is_refused(root):
    (root / "file.md").write_text("x")
    for url in (f"{root}/missing", f"{root}/file.md"):
        assert refusal_of(url).message.startswith("There is no folder")


def test_a_relative_folder_is_refused(root):
    assert "absolute" in refusal_of("docs").message
    assert "absolute" in refusal_of("~/docs").message


def test_the_installations_own_data_are_no_source(root, settings):
    settings.DATA_DIR = root / "docs" / "data"
    for url in (f"{root}/docs", f"{root}/docs/data", f"{root}/docs/data/files"):
        settings.DATA_DIR.joinpath("files").mkdir(parents=True, exist_ok=True)
        assert "own data" in refusal_of(url).message


def test_each_tenant_has_its_own_root(tmp_path, settings):
    settings.SYNC_ROOTS = [str(tmp_path / "{tenant}")]
    for slug in ("acme", "other"):
        (tmp_path / slug / "docs").mkdir(parents=True)
    assert clean(f"{tmp_path}/acme/docs")["root"] == f"{tmp_path}/acme"
    assert refusal_of(f"{tmp_path}/other/docs").extra == {"field": "config.url"}


def test_a_folder_swapped_for_a_link_to_another_tenants_is_not_listed(tmp_path, settings):
    settings.SYNC_ROOTS = [str(tmp_path / "{tenant}")]
    for slug in ("acme", "other"):
        (tmp_path / slug / "docs").mkdir(parents=True)
    connector = FolderConnector(clean(f"{tmp_path}/acme/docs"), {})
    (tmp_path / "acme" / "docs").rmdir()
    (tmp_path / "acme" / "docs").symlink_to("../other/docs")
    with pytest.raises(SourceUnavailable) as raised:
        list(connector.list_items({}))
    assert (raised.value.code, raised.value.permanent) == ("outside_root", True)


def test_a_root_that_the_operator_took_away_ends_its_sources(root, settings):
    config = clean(f"{root}/docs")
    FolderConnector.check_place(config, tenant_slug="acme")
    settings.SYNC_ROOTS = []
    with pytest.raises(SourceUnavailable, match="RAGADMIN_SYNC_ROOTS"):
        FolderConnector.check_place(config, tenant_slug="acme")


@pytest.mark.parametrize(
    "url",
    [
        "memory://x",
        "http://example.com/docs",
        "zip://a.zip::s3://bucket",
        "simplecache::s3://bucket",
        "git://x",
        "local://etc",
        "s3:bucket",
        "C:\\docs",
    ],
)
def test_other_kinds_of_url_are_refused_with_what_is_allowed(root, url):
    assert "s3://, gs://, az:// or sftp://" in refusal_of(url).message


@pytest.mark.parametrize("url", [None, 5, "", "  ", "/a\0b", "/a\nb", "/" + "x" * 2000])
def test_what_is_no_url_is_refused(root, url):
    assert refusal_of(url).extra == {"field": "config.url"}


def test_a_store_whose_package_is_missing_says_how_to_get_it(root):
    assert "-m pip install gcsfs==" in refusal_of("gs://bucket").message


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"include": 5}, "config.include"),
        ({"include": [5]}, "config.include"),
        ({"exclude": ["x" * 501]}, "config.exclude"),
        ({"exclude": ["/"]}, "config.exclude"),
        ({"exclude": ["[z-a].md"]}, "config.exclude"),
        ({"include": [f"{n}.md" for n in range(101)]}, "config.include"),
        ({"options": {"endpoint_url": "http://x"}}, "config.options"),
        ({"pattern": "x"}, "config"),
    ],
)
def test_malformed_settings_name_their_field(root, config, field):
    assert refusal_of(f"{root}/docs", **config).extra == {"field": field}


def test_patterns_may_come_as_lines(root):
    assert clean(f"{root}/docs", include="*.md\n\n *.txt \n")["include"] == ["*.md", "*.txt"]


def test_roots_are_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("ROOTS", "/srv/a/:/srv/{tenant}/docs, /mnt/b")
    assert env.read_roots("ROOTS") == ["/srv/a", "/srv/{tenant}/docs", "/mnt/b"]
    monkeypatch.setenv("ROOTS", "")
    assert env.read_roots("ROOTS") == []


@pytest.mark.parametrize("value", ["docs", "/", "/srv/{slug}", "/srv,docs", "~/docs"])
def test_malformed_roots_stop_the_start_with_one_line(monkeypatch, value):
    monkeypatch.setenv("ROOTS", value)
    with pytest.raises(ConfigurationError) as raised:
        env.read_roots("ROOTS")
    assert "ROOTS" in raised.value.message
    assert "\n" not in raised.value.message

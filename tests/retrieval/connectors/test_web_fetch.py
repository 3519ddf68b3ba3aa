"""Reading one page, and what people may configure."""

from __future__ import annotations

from contextlib import closing

import pytest

from ragadmin.errors import InvalidRequest
from retrieval.connectors import robots
from retrieval.connectors.base import ItemGone, ItemUnreadable, SourceUnavailable
from retrieval.connectors.links import normalise
from retrieval.connectors.page_types import KNOWN_ENDINGS, SUFFIXES, filename_for
from retrieval.connectors.scope import move_prefix
from retrieval.connectors.web import WebConnector
from retrieval.indexing.file_types import MEDIA_TYPES, PICTURES, TEXT_FORMATS
from tests.retrieval.connectors.websites import list_site, open_site


@pytest.fixture
def connector(site):
    with closing(open_site(site.url())) as opened:
        yield opened


def test_fetched_page_has_the_fingerprint_and_state_of_its_listing(site, connector):
    site.add("/", "a", "report.pdf", "http://other.example/")
    site.add("/a", has_etag=False)
    site.put("/report.pdf", b"%PDF-1.4", media_type="application/pdf")
    for url, item in list_site(site.url()).items.items():
        content = connector.fetch(url)
        assert content.fingerprint == item.fingerprint
        assert {**content.state, "read_at": 0} == {**item.state, "read_at": 0}
        assert content.data == site.pages["/" + url.split("/", 3)[3]].body


def test_fetch_never_asks_whether_a_page_changed(site, connector):
    site.add("/")
    connector.fetch(site.url())
    assert not any(each.is_conditional for each in site.requests)


@pytest.mark.parametrize(
    ("path", "media_type", "filename"),
    [
        ("/", "text/html", "index.html"),
        ("/guide/", "text/html; charset=utf-8", "guide.html"),
        ("/page.php?id=1", "text/html", "page.php.html"),
        ("/page.HTM", "text/html", "page.HTM"),
        ("/caf%C3%A9", "application/xhtml+xml", "café.html"),
        ("/a%2Fb", "text/html", "a-b.html"),
        ("/report", "application/pdf", "report.pdf"),
        ("/report.pdf", "application/octet-stream", "report.pdf"),
        ("/notes.md", "text/plain", "notes.md"),
        ("/notes", "text/plain", "notes.txt"),
        ("/data.csv", "text/csv", "data.csv"),
    ],
)
def test_file_name_fits_the_content(site, connector, path, media_type, filename):
    site.put(path, b"text", media_type=media_type)
    assert connector.fetch(site.url(path)).filename == filename


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("ISO-8859-1", "Größe “x”"),
        ("windows-1251", "Привет, мир"),
        ("Shift_JIS", "日本語の文書"),
        ("utf-8", "Größe"),
    ],
)
def test_text_in_the_encoding_that_the_answer_names_is_read(site, connector, charset, text):
    encoding = "windows-1252" if charset == "ISO-8859-1" else charset
    site.put("/x", text.encode(encoding), media_type=f'text/html; charset="{charset}"')
    assert connector.fetch(site.url("/x")).data == text.encode()


@pytest.mark.parametrize("charset", ["punycode", "rot13", "unicode_escape", "cp99999", "none"])
def test_unknown_encoding_leaves_the_bytes_as_they_are(site, connector, charset):
    site.put("/x", b"Gr\xf6\xdfe", media_type=f"text/html; charset={charset}")
    assert connector.fetch(site.url("/x")).data == b"Gr\xf6\xdfe"


@pytest.mark.parametrize("status", [404, 410])
def test_page_that_is_gone_is_told_as_gone(site, connector, status):
    site.fail("/x", status)
    with pytest.raises(ItemGone):
        connector.fetch(site.url("/x"))


@pytest.mark.parametrize(
    ("status", "permanent"), [(500, False), (503, False), (429, False), (403, True), (418, True)]
)
def test_page_that_cannot_be_read_says_whether_another_try_can_help(
    site, connector, status, permanent
):
    site.fail("/x", status)
    with pytest.raises(ItemUnreadable) as raised:
        connector.fetch(site.url("/x"))
    assert raised.value.permanent is permanent


def test_page_that_leads_elsewhere_now_is_not_read_there(site, connector):
    site.redirect("/x", "/y")
    site.add("/y")
    with pytest.raises(ItemUnreadable) as raised:
        connector.fetch(site.url("/x"))
    assert raised.value.code == "moved"
    assert "/y" not in site.asked()


def test_page_that_must_not_be_indexed_since_is_not_read(site, connector):
    site.add("/x", head='<meta name="robots" content="noindex">')
    with pytest.raises(ItemGone):
        connector.fetch(site.url("/x"))
    site.put("/robots.txt", b"User-agent: *\nDisallow: /y")
    robots._lately.clear()
    with closing(open_site(site.url())) as opened, pytest.raises(ItemUnreadable) as raised:
        opened.fetch(site.url("/y"))
    assert raised.value.code == "robots_disallowed"


def test_page_whose_type_changed_to_one_that_cannot_be_read(site, connector):
    site.put("/x", b"\x89PNG", media_type="image/png")
    with pytest.raises(ItemUnreadable) as raised:
        connector.fetch(site.url("/x"))
    assert raised.value.code == "unsupported"


def test_item_of_another_host_is_not_fetched(connector):
    with pytest.raises(ItemGone):
        connector.fetch("http://127.0.0.1:1/x")


def test_robots_are_asked_for_once_by_all_that_fetch(site, connector):
    site.add("/")
    for _ in range(3):
        connector.fetch(site.url())
    with closing(open_site(site.url())) as another:
        another.fetch(site.url())
    assert [each.path for each in site.requests].count("/robots.txt") == 1


def test_fetch_from_a_private_address_is_refused(site, settings):
    settings.PRIVATE_SOURCE_HOSTS = []
    with closing(open_site(site.url())) as opened, pytest.raises(SourceUnavailable) as raised:
        opened.fetch(site.url())
    assert raised.value.code == "private_address"


def test_every_type_that_can_be_read_is_taken_from_the_web_save_pictures():
    assert set(SUFFIXES.values()) == set(MEDIA_TYPES) - set(PICTURES)
    assert set(TEXT_FORMATS) <= set(KNOWN_ENDINGS) | {"txt"}
    assert filename_for("https://a.example/x.markdown", "md") == "x.markdown"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTP://Example.COM:80", "http://example.com/"),
        ("https://example.com.:443/a/./b/../c", "https://example.com/a/c"),
        ("https://example.com:8443/#x", "https://example.com:8443/"),
        (
            "https://example.com/%7Ea%2fb%zz?q=a b&c=%e4",
            "https://example.com/~a%2Fb%25zz?q=a%20b&c=%E4",
        ),
        ("https://example.com/../../a/..", "https://example.com/"),
        ("https://example.com//a//", "https://example.com//a//"),
        ("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4"),
        ("https://[::1]:80/", "https://[::1]:80/"),
        ("https://example.com/a?", "https://example.com/a"),
        ("https://me:pw@example.com/", None),
        ("https://me@example.com/", None),
        ("ftp://example.com/", None),
        ("example.com", None),
        ("https://", None),
        ("https://a b/", None),
        ("https://exa%6dple.com/", None),
        ("https://example.com:99999/", None),
        ("https://example.com/" + "x" * 2001, None),
        ("https://a..b/", None),
        ("\ud800", None),
    ],
)
def test_addresses_have_one_spelling(url, expected):
    assert normalise(url) == expected
    assert expected is None or normalise(expected) == expected


@pytest.mark.parametrize(
    ("url", "target", "prefix"),
    [
        ("http://a.example/docs/", "https://a.example/docs/", "https://a.example/docs/"),
        ("http://a.example/docs", "https://a.example/docs/", "https://a.example/docs/"),
        ("https://a.example/", "https://a.example/en/", "https://a.example/"),
        ("https://a.example/docs/", "https://a.example/login", None),
        ("https://a.example/", "https://www.a.example/", None),
        ("https://a.example/", "http://a.example/", None),
        ("http://a.example:8080/", "https://a.example/", None),
    ],
)
def test_start_page_may_lead_to_the_same_site_only(url, target, prefix):
    folder = url.rpartition("/")[0] + "/"
    assert move_prefix(folder, url, target) == prefix


def test_configuration_gets_its_defaults():
    config = WebConnector.clean_config({"url": " HTTPS://Example.com/docs/#a "}, tenant_slug="any")
    assert config == {
        "url": "https://example.com/docs/",
        "sitemap": "",
        "max_pages": 1000,
        "include": [],
        "exclude": [],
        "seconds_between_requests": 1.0,
    }
    assert WebConnector.clean_config(config, tenant_slug="any") == config


@pytest.mark.parametrize(
    "change",
    [
        {"url": None},
        {"url": ["https://a.example/"]},
        {"url": "a.example"},
        {"url": "file:///etc/passwd"},
        {"url": "https://me:pw@a.example/"},
        {"sitemap": "ftp://a.example/"},
        {"sitemap": 5},
        {"max_pages": 0},
        {"max_pages": 50_001},
        {"max_pages": "many"},
        {"max_pages": [1]},
        {"max_pages": True},
        {"max_pages": 1.5},
        {"seconds_between_requests": 0.05},
        {"seconds_between_requests": float("nan")},
        {"seconds_between_requests": 61},
        {"include": "a\x00"},
        {"include": 7},
        {"exclude": [1]},
        {"depth": 3},
    ],
)
def test_bad_configuration_names_its_field(settings, change):
    settings.MIN_SECONDS_BETWEEN_REQUESTS = 0.1
    with pytest.raises(InvalidRequest) as raised:
        WebConnector.clean_config({"url": "https://a.example/", **change}, tenant_slug="any")
    assert raised.value.extra["field"] == f"config.{next(iter(change))}"


def test_gap_below_the_least_of_the_installation_is_raised_to_it(settings):
    settings.MIN_SECONDS_BETWEEN_REQUESTS = 0.5
    config = {
        "url": "https://a.example/",
        "seconds_between_requests": 0.1,
        "max_pages": 1,
        "include": [],
        "exclude": [],
        "sitemap": "",
    }
    with closing(WebConnector(config, {})) as connector:
        assert connector._client.gap == 0.5


def test_page_links_to_itself_for_people(connector, site):
    assert connector.link_to("https://a.example/x") == "https://a.example/x"
    assert connector.describe() == site.url()

"""Listing by sitemap, robots.txt and what servers ask of visitors."""

from __future__ import annotations

import gzip
import time
from datetime import UTC, datetime

import pytest

from retrieval.connectors import sitemap as sitemaps
from retrieval.connectors.base import SourceUnavailable
from retrieval.connectors.crawl import LASTMOD_TURNS, has_turn
from tests.retrieval.connectors.websites import list_site

XML = {"media_type": "application/xml"}
NAMESPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


@pytest.fixture
def site(site):
    for path in ("/docs/", "/docs/a", "/docs/b", "/blog"):
        site.add(path, "/docs/linked")
    site.add("/docs/linked")
    return site


def urlset(*entries: str) -> bytes:
    """Entries as `url` or `url lastmod`."""
    urls = ""
    for entry in entries:
        url, _, changed = entry.partition(" ")
        dated = f"<lastmod>{changed}</lastmod>" if changed else ""
        urls += f"<url><loc>\n {url} </loc>{dated}</url>"
    return f'<?xml version="1.0"?><urlset {NAMESPACE}>{urls}</urlset>'.encode()


def index(*urls: str) -> bytes:
    parts = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return f"<sitemapindex {NAMESPACE}>{parts}</sitemapindex>".encode()


def test_sitemap_below_the_prefix_is_found_and_its_pages_alone_are_listed(site):
    pages = [site.url("/docs/a"), site.url("/docs/b"), site.url("/blog"), "http://else.example/"]
    site.put("/docs/sitemap.xml", urlset(*pages), **XML)
    assert list_site(site.url("/docs/")).paths == ["/docs/a", "/docs/b"]


def test_sitemap_that_robots_names_or_the_source_gives_is_read(site):
    site.put("/map-a.xml", urlset(site.url("/docs/a")), **XML)
    site.put("/map-b.xml", urlset(site.url("/docs/b")), **XML)
    site.put("/robots.txt", f"Sitemap: {site.url('/map-a.xml')}".encode())
    assert list_site(site.url("/docs/")).paths == ["/docs/a"]
    assert list_site(site.url("/docs/"), sitemap="/map-b.xml").paths == ["/docs/b"]


def test_index_of_packed_sitemaps_is_read(site):
    site.put("/map.xml", index(site.url("/a.xml.gz"), site.url("/b.xml")), **XML)
    packed = gzip.compress(urlset(site.url("/docs/a")))
    site.put("/a.xml.gz", packed, media_type="application/gzip")
    site.put("/b.xml", urlset(site.url("/docs/b")), **XML)
    listing = list_site(site.url("/docs/"), sitemap="/map.xml")
    assert listing.paths == ["/docs/a", "/docs/b"]
    assert listing.reasons == dict.fromkeys(["/map.xml", "/a.xml.gz", "/b.xml"], "sitemap")


def test_page_that_answers_in_html_where_a_sitemap_would_be_is_none(site):
    site.add("/docs/sitemap.xml", text="Sorry, not found")
    assert list_site(site.url("/docs/")).paths == ["/docs/", "/docs/linked"]


def test_sitemap_of_other_folders_only_is_none(site):
    site.put("/robots.txt", f"Sitemap: {site.url('/map.xml')}".encode())
    site.put("/map.xml", urlset(site.url("/blog")), **XML)
    assert list_site(site.url("/docs/")).paths == ["/docs/", "/docs/linked"]


@pytest.mark.parametrize("status", [404, 403])
def test_given_sitemap_that_is_not_there_makes_the_source_unavailable(site, status):
    site.fail("/map.xml", status)
    with pytest.raises(SourceUnavailable) as raised:
        list_site(site.url("/docs/"), sitemap="/map.xml")
    assert raised.value.permanent


@pytest.mark.parametrize("status", [404, 500, 503])
def test_part_of_a_sitemap_that_is_missing_deletes_no_pages(site, status):
    site.put("/docs/sitemap.xml", index(site.url("/a.xml"), site.url("/b.xml")), **XML)
    site.put("/a.xml", urlset(site.url("/docs/a")), **XML)
    site.fail("/b.xml", status)
    with pytest.raises(SourceUnavailable) as raised:
        list_site(site.url("/docs/"))
    assert not raised.value.permanent


def test_lists_of_lists_of_sitemaps_and_circles_end(site):
    site.put("/docs/sitemap.xml", index(site.url("/docs/sitemap.xml")), **XML)
    with pytest.raises(SourceUnavailable, match="list of sitemaps"):
        list_site(site.url("/docs/"))
    parts = [site.url(f"/{n}.xml") for n in range(sitemaps.MAX_FILES + 1)]
    site.put("/docs/sitemap.xml", index(*parts), **XML)
    for n in range(sitemaps.MAX_FILES + 1):
        site.put(f"/{n}.xml", urlset(), **XML)
    with pytest.raises(SourceUnavailable, match="parts"):
        list_site(site.url("/docs/"))


def test_entities_and_external_parts_of_a_sitemap_are_not_expanded(site, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(site.url("/docs/b"))
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    doctype = (
        f'<!DOCTYPE urlset [<!ENTITY a0 "lol">{laughs}<!ENTITY x SYSTEM "file://{secret}">'
        f'<!ENTITY y SYSTEM "{site.url("/evil")}">]>'
    )
    locs = f"<url><loc>{site.url('/docs/a')}</loc></url><url><loc>&x;</loc></url><url><loc>&y;</loc></url>"
    body = f"{doctype}<urlset {NAMESPACE}>{locs}<url><loc>&a11;</loc></url></urlset>"
    site.put("/docs/sitemap.xml", body.encode(), **XML)
    assert list_site(site.url("/docs/")).paths in (["/docs/a"], ["/docs/", "/docs/linked"])
    assert "/evil" not in site.asked()


def test_packed_sitemap_that_is_a_bomb_is_refused(site):
    site.put("/docs/sitemap.xml", gzip.compress(bytes(sitemaps.MAX_BYTES + 1), 1), **XML)
    with pytest.raises(SourceUnavailable) as raised:
        list_site(site.url("/docs/"))
    assert raised.value.code == "too_large"


def test_page_read_long_after_the_date_in_the_sitemap_is_not_asked_for(site):
    dated = [f"{site.url('/docs/a')} 2026-01-05", f"{site.url('/docs/b')} 2026-01-05T10:00:00Z"]
    site.put("/docs/sitemap.xml", urlset(*dated), **XML)
    first = list_site(site.url("/docs/"))
    site.take()
    second = list_site(site.url("/docs/"), first.known)
    now = time.time()
    has_its_turn = [path for path in ("/docs/a", "/docs/b") if has_turn(site.url(path), now)]
    assert second.known == first.known
    assert site.asked() == ["/docs/", *has_its_turn]
    today = datetime.now(UTC).date().isoformat()
    site.put("/docs/sitemap.xml", urlset(f"{site.url('/docs/a')} {today}", dated[1]), **XML)
    assert list_site(site.url("/docs/"), first.known).known.keys() == first.known.keys()
    assert site.asked() == sorted({"/docs/", "/docs/a", *has_its_turn})


@pytest.mark.parametrize("hours", [1, 2, 6, 12, 24, 24 * 7])
def test_page_whose_date_never_changes_is_asked_for_now_and_then_by_any_schedule(hours):
    url = "https://docs.example.com/a"
    turns = [run for run in range(LASTMOD_TURNS) if has_turn(url, run * hours * 3600)]
    assert len(turns) == 1


@pytest.mark.parametrize("text", ["", "soon", "2026-13-45", "9999-12-31", "0001-01-01T00:00:00"])
def test_strange_dates_make_no_trouble(site, text):
    site.put("/docs/sitemap.xml", urlset(f"{site.url('/docs/a')} {text}"), **XML)
    first = list_site(site.url("/docs/"))
    assert list_site(site.url("/docs/"), first.known).paths == ["/docs/a"]


def test_pages_that_left_the_sitemap_are_not_listed(site):
    site.put("/docs/sitemap.xml", urlset(site.url("/docs/a"), site.url("/docs/b")), **XML)
    first = list_site(site.url("/docs/"))
    site.put("/docs/sitemap.xml", urlset(site.url("/docs/a")), **XML)
    assert list_site(site.url("/docs/"), first.known).paths == ["/docs/a"]


def test_robots_rules_are_kept(site):
    site.add("/docs/", "a", "b", "private/c")
    site.add("/docs/private/c")
    site.put(
        "/robots.txt",
        b"User-agent: *\nDisallow: /\n\nUser-agent: RagAdmin\nDisallow: /docs/private/\n",
    )
    listing = list_site(site.url("/docs/"))
    assert "/docs/private/c" not in site.asked()
    assert listing.reasons["/docs/private/c"] == "robots_disallowed"
    assert "/docs/a" in listing.paths


def test_start_page_that_robots_forbids_makes_the_source_unavailable(site):
    site.put("/robots.txt", b"User-agent: *\nDisallow: /docs/")
    with pytest.raises(SourceUnavailable) as raised:
        list_site(site.url("/docs/"))
    assert raised.value.code == "robots_disallowed"
    assert raised.value.permanent
    assert site.asked() == []


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_site_without_robots_may_be_read(site, status):
    site.fail("/robots.txt", status)
    assert "/docs/" in list_site(site.url("/docs/")).paths


@pytest.mark.parametrize("status", [500, 503, 429])
def test_site_whose_robots_fail_is_not_read(site, status):
    site.fail("/robots.txt", status)
    with pytest.raises(SourceUnavailable) as raised:
        list_site(site.url("/docs/"))
    assert raised.value.code == "robots_unavailable"
    assert not raised.value.permanent
    assert site.asked() == []


def test_pace_that_robots_ask_for_is_kept(site):
    site.add("/docs/")
    site.put("/robots.txt", b"User-agent: *\nCrawl-delay: 0.2")
    before = time.monotonic()
    list_site(site.url("/docs/"))
    assert time.monotonic() - before >= 0.2 * (len(site.requests) - 1)
    site.put("/robots.txt", b"User-agent: *\nCrawl-delay: 3600")
    with pytest.raises(SourceUnavailable, match="3600"):
        list_site(site.url("/docs/"))


@pytest.mark.parametrize(
    ("status", "code", "permanent"),
    [
        (401, "forbidden", True),
        (403, "forbidden", True),
        (404, "not_found", True),
        (410, "not_found", True),
        (500, "source_unavailable", False),
        (502, "source_unavailable", False),
    ],
)
def test_start_page_that_does_not_show_itself(site, status, code, permanent):
    site.fail("/docs/", status)
    with pytest.raises(SourceUnavailable) as raised:
        list_site(site.url("/docs/"))
    assert (raised.value.code, raised.value.permanent) == (code, permanent)


def test_server_that_asks_to_wait_a_moment_is_waited_for(site):
    calm = site.pages["/docs/a"]
    asked = []

    def answer(handler):
        asked.append(handler.path)
        if len(asked) == 1:
            handler.send_response(429)
            handler.send_header("Retry-After", "1")
            handler.send_header("Content-Length", "0")
        else:
            handler.send_response(200)
            handler.send_header("Content-Type", "text/html")
            handler.send_header("Content-Length", str(len(calm.body)))
        handler.end_headers()
        handler.wfile.write(calm.body if len(asked) > 1 else b"")

    site.add("/docs/", "a")
    site.put("/docs/a", b"", answer=answer)
    assert "/docs/a" in list_site(site.url("/docs/")).paths
    assert len(asked) == 2


@pytest.mark.parametrize("wait", ["3600", "99999999999999999999"])
def test_server_that_asks_to_wait_for_long_makes_the_source_unavailable(site, wait):
    site.add("/docs/", "a")
    site.fail("/docs/a", 503, Retry_After=wait)
    with pytest.raises(SourceUnavailable) as raised:
        list_site(site.url("/docs/"))
    assert raised.value.code == "busy"
    assert not raised.value.permanent


def test_listing_ends_at_its_time_limit_with_what_to_do(site, monkeypatch):
    monkeypatch.setattr("retrieval.connectors.web.LISTING_SECONDS", -1)
    monkeypatch.setattr("retrieval.connectors.web.MAX_LISTING_SECONDS", -1)
    with pytest.raises(SourceUnavailable) as raised:
        list_site(site.url("/docs/"))
    assert raised.value.code == "too_slow"
    assert "folder" in raised.value.message


def test_listing_yields_as_it_goes(site):
    from tests.retrieval.connectors.websites import open_site

    connector = open_site(site.url("/docs/"))
    try:
        next(connector.list_items({}))
        assert site.asked() == ["/docs/"]
    finally:
        connector.close()

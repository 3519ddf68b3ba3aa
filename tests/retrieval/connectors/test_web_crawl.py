"""What a crawl lists, and what a second one asks for."""

from __future__ import annotations

from contextlib import closing

import pytest

from retrieval.connectors.base import SourceUnavailable
from tests.retrieval.connectors.websites import list_site, open_site

PDF = b"%PDF-1.4 not much of one"


def test_crawl_lists_what_links_lead_to_below_the_start_folder(site):
    site.add("/docs/", "intro", "/docs/deep/a.html", "../blog/", "http://localhost:1/docs/x")
    site.add("/docs/intro", "/docs/#top", "intro?page=2#end", "mailto:a@b.c", "javascript:void(0)")
    site.add("/docs/intro?page=2")
    site.add("/docs/deep/a.html", "/docs/../secret", "/docs/deep/%2e%2e/%2E%2E/secret")
    site.add("/secret")
    site.add("/blog/")
    listing = list_site(site.url("/docs/"))
    assert listing.paths == ["/docs/", "/docs/deep/a.html", "/docs/intro", "/docs/intro?page=2"]
    assert site.asked() == listing.paths


def test_second_crawl_asks_only_whether_pages_changed(site):
    site.add("/", "a", "b")
    site.add("/a", "c", text="long " * 1000)
    site.put("/b", PDF, media_type="application/pdf")
    site.add("/c", has_etag=False, headers={"Last-Modified": "Mon, 02 Mar 2026 10:00:00 GMT"})
    first = list_site(site.url())
    site.take()
    second = list_site(site.url(), first.known)
    assert {url: item.fingerprint for url, item in second.items.items()} == {
        url: item.fingerprint for url, item in first.items.items()
    }
    requests = [each for each in site.take() if each.path not in {"/robots.txt", "/sitemap.xml"}]
    assert sorted((each.path, each.status) for each in requests) == [
        ("/", 304),
        ("/a", 304),
        ("/b", 304),
        ("/c", 304),
    ]


def test_changed_page_has_another_fingerprint_and_its_new_links_are_followed(site):
    site.add("/", "a")
    site.add("/a")
    first = list_site(site.url())
    site.add("/a", "new")
    site.add("/new")
    second = list_site(site.url(), first.known)
    assert second.paths == ["/", "/a", "/new"]
    assert second.items[site.url("/a")].fingerprint != first.items[site.url("/a")].fingerprint
    assert second.items[site.url("/")].fingerprint == first.items[site.url("/")].fingerprint


def test_pages_without_validators_are_told_apart_by_their_content(site):
    site.add("/", "a", has_etag=False)
    site.put("/a", PDF, media_type="application/pdf", has_etag=False)
    first = list_site(site.url())
    second = list_site(site.url(), first.known)
    assert [item.fingerprint for item in second.items.values()] == [
        item.fingerprint for item in first.items.values()
    ]
    site.put("/a", PDF + b" changed", media_type="application/pdf", has_etag=False)
    third = list_site(site.url(), first.known)
    assert third.items[site.url("/a")].fingerprint != first.items[site.url("/a")].fingerprint


def test_etag_that_changes_with_the_same_page_changes_nothing(site):
    page = site.add("/", has_etag=False, headers={"ETag": '"one"'})
    first = list_site(site.url())
    page.headers["ETag"] = '"two"'
    second = list_site(site.url(), first.known)
    assert second.items[site.url()].fingerprint == first.items[site.url()].fingerprint
    assert second.items[site.url()].state["etag"] == '"two"'


def test_page_changed_this_minute_is_not_trusted_to_its_date(site):
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Last-Modified", handler.date_time_string())
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"hi")

    site.put("/", b"", answer=answer)
    assert "modified" not in list_site(site.url()).items[site.url()].state


def test_removed_page_is_not_listed_any_more(site):
    site.add("/", "a", "b")
    site.add("/a")
    site.add("/b")
    first = list_site(site.url())
    site.fail("/a", 404)
    site.fail("/b", 410)
    second = list_site(site.url(), first.known)
    assert second.paths == ["/"]
    assert second.reasons == {"/a": "gone", "/b": "gone"}


def add_dozen_and_one_below(site):
    site.add("/", *(f"p{n}" for n in range(12)))
    for n in range(12):
        site.add(f"/p{n}")
    site.add("/p0", "below")
    site.add("/below")


def test_page_that_fails_today_stays_as_it_was(site):
    add_dozen_and_one_below(site)
    first = list_site(site.url())
    site.fail("/p0", 500)
    second = list_site(site.url(), first.known)
    assert second.paths == first.paths
    assert second.items[site.url("/p0")].fingerprint == first.items[site.url("/p0")].fingerprint


def test_new_page_that_fails_is_a_failure_and_hides_no_known_pages(site):
    add_dozen_and_one_below(site)
    first = list_site(site.url())
    site.add("/", "hub", *(f"p{n}" for n in range(1, 12)))
    site.fail("/hub", 502)
    site.add("/hidden")
    second = list_site(site.url(), first.known)
    assert second.skipped[f"localhost:{site.port}/hub"].is_failure
    assert {"/p0", "/below"} <= set(second.paths)


def test_site_that_mostly_fails_is_not_listed_at_all(site):
    site.add("/", *(f"p{n}" for n in range(30)))
    for n in range(30):
        site.add(f"/p{n}")
    first = list_site(site.url())
    for n in range(0, 30, 2):
        site.fail(f"/p{n}", 500)
    with pytest.raises(SourceUnavailable) as raised:
        list_site(site.url(), first.known)
    assert raised.value.code == "too_many_failures"
    assert not raised.value.permanent


def test_page_forbidden_to_us_stays_where_it_is_known(site):
    site.add("/", "a", "members", *(f"p{n}" for n in range(9)))
    for path in ("/a", *(f"/p{n}" for n in range(9))):
        site.add(path)
    site.fail("/members", 403)
    first = list_site(site.url())
    assert first.reasons == {"/members": "forbidden"}
    assert not first.skipped[f"localhost:{site.port}/members"].is_failure
    site.fail("/a", 403)
    assert list_site(site.url(), first.known).paths == first.paths


def test_robots_directives_of_pages_are_kept(site):
    site.add("/", "noindex", "nofollow", "header", "other-bot")
    site.add("/noindex", "behind", head='<meta name="ROBOTS" content="NoIndex">')
    site.add("/behind")
    site.add("/nofollow", "unseen", head='<meta name="robots" content="nofollow, noarchive">')
    site.add("/header", headers={"X-Robots-Tag": "otherbot: nofollow, ragadmin: noindex"})
    site.add("/other-bot", headers={"X-Robots-Tag": "otherbot: noindex"})
    site.add("/unseen")
    listing = list_site(site.url())
    assert listing.paths == ["/", "/behind", "/nofollow", "/other-bot"]
    assert listing.reasons == {"/noindex": "noindex", "/header": "noindex"}


def test_links_marked_nofollow_are_not_followed(site):
    site.add("/", text='<a rel="ugc NoFollow" href="spam">s</a><a href="good">g</a>')
    site.add("/good")
    site.add("/spam")
    assert list_site(site.url()).paths == ["/", "/good"]


def test_page_that_names_an_original_is_listed_once(site):
    site.add("/", "a?sort=up", "a?sort=down", "loop1", "orphan")
    for path in ("/a?sort=up", "/a?sort=down", "/a"):
        site.add(path, head='<link rel="canonical" href="/a">')
    site.add("/loop1", head='<link rel="canonical" href="/loop2">')
    site.add("/loop2", head='<link rel="canonical" href="/loop1">')
    site.add("/orphan", head='<link rel="canonical" href="/not-there">')
    listing = list_site(site.url())
    assert listing.paths in (["/", "/a", "/loop1", "/orphan"], ["/", "/a", "/loop2", "/orphan"])
    assert listing.reasons["/a?sort=up"] == "duplicate"


def test_base_of_a_page_counts_for_its_links(site):
    site.add("/", "x", head='<base href="/folder/">')
    site.add("/folder/x")
    assert list_site(site.url()).paths == ["/", "/folder/x"]


def test_patterns_choose_pages_and_what_is_left_out_is_not_asked_for(site):
    site.add("/", "guide/a", "guide/drafts/b", "blog/c", "files/d.pdf")
    site.add("/guide/a", "/guide/e")
    site.add("/guide/e")
    site.add("/guide/drafts/b")
    site.add("/blog/c")
    site.put("/files/d.pdf", PDF, media_type="application/pdf")
    listing = list_site(site.url(), include=["/guide/**", "*.pdf"], exclude=["drafts"])
    assert listing.paths == ["/files/d.pdf", "/guide/a", "/guide/e"]
    assert listing.reasons["/guide/drafts/b"] == "excluded"
    assert site.asked() == ["/", "/files/d.pdf", "/guide/a", "/guide/e"]


def test_files_that_cannot_be_read_are_skipped_without_their_bytes(site):
    site.add("/", "picture.png", "report.docx", "data.bin", "notes.md", "film")
    site.put("/picture.png", b"\x89PNG", media_type="image/png")
    site.put("/report.docx", b"PK\x03\x04", media_type="application/octet-stream")
    site.put("/data.bin", b"\x00\x01", media_type="application/octet-stream")
    site.put("/notes.md", b"# Notes", media_type="text/plain")
    site.put("/film", b"film", media_type="video/mp4")
    listing = list_site(site.url())
    assert listing.paths == ["/", "/notes.md", "/report.docx"]
    assert set(listing.reasons) == {"/picture.png", "/data.bin", "/film"}
    assert set(listing.reasons.values()) == {"unsupported_type"}
    assert site.asked() == ["/", "/film", "/notes.md", "/report.docx"]


def test_one_page_under_many_spellings_is_one_item(site):
    site.add("/", "caf%c3%a9", "café", "caf%C3%A9#x", "%63af%C3%A9", "./x/../caf%C3%A9")
    site.add("/caf%C3%A9")
    listing = list_site(site.url().replace("localhost", "LOCALHOST"))
    assert listing.paths == ["/", "/caf%C3%A9"]
    assert listing.items[site.url("/caf%C3%A9")].path == f"localhost:{site.port}/café"


def test_names_with_quotes_blanks_and_nothing_printable_are_listed(site):
    site.add("/", "a b", 'q"uote'.replace('"', "&quot;"), "nul%00", "bad%FF", "new%0Aline", "100%")
    for path in ("/a%20b", "/q%22uote", "/nul%00", "/bad%FF", "/new%0Aline", "/100%25"):
        site.add(path)
    listing = list_site(site.url())
    assert len(listing.items) == 7
    assert all(item.path.isprintable() for item in listing.items.values())
    with closing(open_site(site.url())) as connector:
        assert connector.fetch(site.url("/a%20b")).filename == "a b.html"


def test_site_larger_than_its_limit_keeps_the_pages_it_has(site):
    site.add("/", "a", "b", "c")
    for path in ("/a", "/b", "/c"):
        site.add(path)
    first = list_site(site.url(), max_pages=3)
    assert len(first.items) == 3
    assert "too_many_pages" in first.reasons.values()
    site.add("/", "new1", "new2", "a", "b", "c")
    site.add("/new1")
    site.add("/new2")
    assert list_site(site.url(), first.known, max_pages=3).paths == first.paths


def test_endless_links_come_to_an_end(site):
    def answer(handler):
        number = int(handler.path.strip("/") or 0)
        body = "".join(f'<a href="/{number * 50 + n}">x</a>' for n in range(50)).encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    class Endless(dict):
        def get(self, path, default=None):
            return super().get(path, default) if path.endswith((".txt", ".xml")) else page

    page = site.put("/", b"", answer=answer)
    site.pages = Endless(site.pages)
    assert len(list_site(site.url(), max_pages=20).items) == 20


def test_hostile_markup_does_not_stop_a_crawl(site):
    site.add("/", "deep", "broken", "empty", "good")
    site.put("/deep", b"<div>" * 50_000 + b'<a href="/good">x</a>')
    site.put("/broken", b"<a href='/good' <<<!--- <!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc'>]>")
    site.put("/empty", b"")
    site.add("/good", text="<a href='http://[broken/'>x</a><a href='//:99999/'>y</a>")
    assert list_site(site.url()).paths == ["/", "/broken", "/deep", "/empty", "/good"]

"""Where a website source may not lead, and what a hostile server may not do."""

from __future__ import annotations

import gzip
import time
from contextlib import closing

import pytest

from ragadmin.errors import TooLarge
from retrieval.connectors import http_client
from retrieval.connectors.base import ItemUnreadable, SourceUnavailable
from retrieval.connectors.http_client import HttpClient, NoAnswer
from retrieval.connectors.links import MAX_HTML_SECONDS, read_html
from tests.retrieval.connectors.website import Website
from tests.retrieval.connectors.websites import list_site, open_site


@pytest.fixture
def other():
    """A private server that nobody allowed."""
    with Website() as website:
        website.add("/", text="secret")
        yield website


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.1", "[::ffff:7f00:1]"]
)
def test_source_at_a_private_address_is_refused_before_anything_is_asked(other, host):
    with pytest.raises(SourceUnavailable) as raised:
        list_site(f"http://{host}:{other.port}/")
    assert raised.value.code == "private_address"
    assert raised.value.permanent
    assert "RAGADMIN_PRIVATE_HOSTS" in raised.value.message
    assert other.requests == []
    assert other.connections == 0


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]:{port}/",
        "http://2130706433:{port}/",
        "//localhost:{port}/",
        "file:///etc/passwd",
        "ftp://localhost/",
        "gopher://localhost:{port}/_x",
    ],
)
def test_redirects_out_of_the_source_are_not_followed(site, other, target):
    site.add("/", "away")
    site.redirect("/away", target.format(port=other.port))
    listing = list_site(site.url())
    assert listing.paths == ["/"]
    assert listing.reasons == {"/away": "outside"}
    assert other.connections == 0


def test_start_page_that_leads_elsewhere_is_refused(site, other):
    site.redirect("/", f"http://localhost:{other.port}/")
    with pytest.raises(SourceUnavailable) as raised:
        list_site(site.url())
    assert raised.value.code == "moved"
    assert raised.value.permanent
    assert other.connections == 0


def test_robots_and_sitemaps_may_not_lead_to_private_addresses(site, other):
    site.add("/")
    site.redirect("/robots.txt", other.url("/robots.txt"))
    with pytest.raises(SourceUnavailable) as raised:
        list_site(site.url())
    assert raised.value.code == "private_address"
    site.put("/robots.txt", f"Sitemap: {other.url('/sitemap.xml')}".encode())
    with pytest.raises(SourceUnavailable) as raised:
        list_site(site.url())
    assert raised.value.code == "private_address"
    assert other.connections == 0


def test_redirects_inside_the_source_are_followed_to_one_item(site):
    site.add("/", "old", "older", "new")
    site.redirect("/older", "/old", 301)
    site.redirect("/old", "new", 308)
    site.add("/new")
    listing = list_site(site.url())
    assert listing.paths == ["/", "/new"]
    assert listing.reasons == {"/old": "redirect", "/older": "redirect"}


def test_redirects_in_a_circle_end(site):
    site.add("/", "a")
    site.redirect("/a", "/b")
    site.redirect("/b", "/a")
    assert list_site(site.url()).paths == ["/"]
    site.redirect("/", "/")
    with pytest.raises(SourceUnavailable):
        list_site(site.url())


def test_slash_that_the_start_page_lacked_makes_its_folder_the_prefix(site):
    site.redirect("/docs", "/docs/", 301)
    site.add("/docs/", "a", "/b")
    site.add("/docs/a")
    site.add("/b")
    assert list_site(site.url("/docs")).paths == ["/docs/", "/docs/a"]


def test_credentials_are_sent_to_the_source_alone(site, other, settings):
    settings.PRIVATE_SOURCE_HOSTS.append(f"localhost:{other.port}")
    site.add("/", "a")
    site.add("/a")
    site.put("/robots.txt", f"Sitemap: {other.url('/map.xml')}".encode(), media_type="text/plain")
    other.put("/map.xml", urlset(site.url("/a")))
    listing = list_site(site.url(), credentials={"username": "me", "password": "pass:wörd"})
    assert listing.paths == ["/a"]
    assert {each.headers["Authorization"] for each in site.requests} == {
        "Basic bWU6cGFzczp3w7ZyZA=="
    }
    assert other.requests
    assert all("Authorization" not in each.headers for each in other.requests)


def test_token_is_sent_as_bearer(site):
    site.add("/")
    list_site(site.url(), credentials={"token": "s3cret"})
    assert {each.headers["Authorization"] for each in site.requests} == {"Bearer s3cret"}


def test_credentials_are_not_logged_even_where_everything_is(site, caplog):
    site.add("/")
    with caplog.at_level("DEBUG"):
        list_site(site.url(), credentials={"token": "s3cret-token"})
    assert "s3cret-token" not in caplog.text


@pytest.mark.parametrize("token", ["sécret", "two\nlines", "nul\x00"])
def test_token_that_no_header_can_carry_is_refused_and_not_told(site, token):
    site.add("/")
    with pytest.raises(SourceUnavailable) as raised:
        list_site(site.url(), credentials={"token": token})
    assert raised.value.permanent
    assert token not in raised.value.message
    assert site.requests == []


def test_strange_headers_of_a_server_make_no_trouble(site):
    strange = {
        "ETag": '"\xe9"',
        "Last-Modified": "\xe9",
        "Retry-After": "\xe9",
        "X-Robots-Tag": ":,:",
    }
    site.add("/", "a", has_etag=False, headers=strange)
    site.redirect("/a", "/gr\xc3\xbc\xc3\x9fe")
    site.add("/gr%C3%BC%C3%9Fe", headers={"Content-Type": "text/html; charset=\xe9"})
    first = list_site(site.url())
    assert first.paths == ["/", "/gr%C3%BC%C3%9Fe"]
    assert list_site(site.url(), first.known).known.keys() == first.known.keys()


def test_proxies_of_the_environment_are_not_used(site, other, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, other.url())
    site.add("/")
    assert list_site(site.url()).paths == ["/"]
    assert other.connections == 0


def test_connection_is_kept_for_all_pages(site):
    site.add("/", *(f"p{n}" for n in range(10)))
    for n in range(9):
        site.add(f"/p{n}")
    list_site(site.url())
    assert site.connections == 1


def test_packed_page_is_unpacked(site):
    site.add("/", text="word " * 1000)
    with closing(open_site(site.url())) as connector:
        assert connector.fetch(site.url()).data == site.pages["/"].body


def test_bomb_is_given_up_early(site, settings):
    settings.MAX_UPLOAD_BYTES = 2 * 2**20
    bomb = gzip.compress(bytes(30 * 2**20), 1)
    site.put("/", bomb, headers={"Content-Encoding": "gzip"})
    with closing(open_site(site.url())) as connector, pytest.raises(TooLarge):
        connector.fetch(site.url())


@pytest.mark.parametrize("tells_length", [True, False])
def test_too_large_file_is_not_read_to_its_end(site, settings, tells_length):
    settings.MAX_UPLOAD_BYTES = 2**20
    sent = []

    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "application/pdf")
        if tells_length:
            handler.send_header("Content-Length", str(500 * 2**20))
        else:
            handler.close_connection = True
        handler.end_headers()
        try:
            for _ in range(500):
                handler.wfile.write(bytes(2**20))
                sent.append(1)
        except OSError:
            handler.close_connection = True

    site.put("/a.pdf", b"", answer=answer)
    with closing(open_site(site.url())) as connector, pytest.raises(TooLarge):
        connector.fetch(site.url("/a.pdf"))
    assert len(sent) < 100


@pytest.mark.parametrize("part", ["headers", "body"])
def test_answer_that_trickles_on_ends_with_its_time(site, part):
    def answer(handler):
        if part == "body":
            handler.send_response(200)
            handler.send_header("Content-Type", "text/html")
            handler.send_header("Content-Length", "100000")
            handler.end_headers()
        else:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        try:
            for _ in range(200):
                handler.wfile.write(b"x")
                handler.wfile.flush()
                time.sleep(0.05)
        except OSError:
            handler.close_connection = True

    site.put("/", b"", answer=answer)
    client = HttpClient(site.url()[:-1], {}, 0)
    with closing(client), pytest.raises(NoAnswer) as raised:
        client.get(site.url(), max_bytes=10**6, seconds=0.5)
    assert raised.value.code == "timeout"


@pytest.mark.parametrize(
    "body",
    [b"<a href='x'>" * 900_000, b"<a href='" + b"%61" * 3_000_000 + b"'>", b"<b><i>" * 1_000_000],
    ids=["nested", "long", "unclosed"],
)
def test_markup_made_to_take_long_is_given_up(body):
    before = time.thread_time()
    read_html(body, "https://a.example/", "")
    assert time.thread_time() - before < 3 * MAX_HTML_SECONDS


def test_endless_headers_are_refused(site):
    def answer(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        try:
            for _ in range(100_000):
                handler.wfile.write(b"X-More: and more and more and more\r\n")
        except OSError:
            handler.close_connection = True

    site.put("/", b"", answer=answer)
    with pytest.raises(SourceUnavailable):
        list_site(site.url())


@pytest.mark.parametrize(
    "answer_bytes",
    [
        b"",
        b"rubbish\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 50\r\n\r\nshort",
        b"SSH-2.0-x\r\n",
    ],
)
def test_broken_answer_is_temporary(site, answer_bytes):
    def answer(handler):
        handler.wfile.write(answer_bytes)
        handler.close_connection = True

    site.put("/x", b"", answer=answer)
    with closing(open_site(site.url())) as connector, pytest.raises(ItemUnreadable) as raised:
        connector.fetch(site.url("/x"))
    assert not raised.value.permanent


def test_answer_in_an_encoding_that_was_not_asked_for_is_refused(site):
    site.put("/", b"x", headers={"Content-Encoding": "br"})
    with closing(open_site(site.url())) as connector, pytest.raises(ItemUnreadable):
        connector.fetch(site.url())


def test_kept_connection_that_the_server_closed_is_opened_anew(site):
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"hi")
        handler.close_connection = True

    site.put("/", b"", answer=answer)
    with closing(open_site(site.url())) as connector:
        for _ in range(3):
            assert connector.fetch(site.url()).data == b"hi"


def test_server_that_is_away_makes_the_source_unavailable(settings):
    with Website() as website:
        url = website.url()
    settings.PRIVATE_SOURCE_HOSTS = [f"localhost:{website.port}"]
    with pytest.raises(SourceUnavailable) as raised:
        list_site(url)
    assert raised.value.code == "unreachable"
    assert not raised.value.permanent


def test_requests_keep_their_distance_also_those_of_another_connector(site):
    site.add("/")
    moments = []
    for _ in range(3):
        with closing(HttpClient(site.url()[:-1], {}, 0.1)) as client:
            client.get(site.url(), max_bytes=1000)
            moments.append(time.monotonic())
    assert min(after - before for before, after in zip(moments, moments[1:], strict=False)) >= 0.1
    assert site.requests[0].headers["User-Agent"] == http_client.USER_AGENT


def urlset(*urls: str) -> bytes:
    entries = "".join(f"<url><loc>{url}</loc></url>" for url in urls)
    return (
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>'.encode()
    )

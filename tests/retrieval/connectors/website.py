"""A real website on this machine that notes what it is asked for."""

from __future__ import annotations

import gzip
import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable


@dataclass
class Page:
    body: bytes = b""
    media_type: str = "text/html; charset=utf-8"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    has_etag: bool = True
    answer: Callable[[Handler], None] | None = None

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.body).hexdigest()[:16]}"'


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    status: int

    @property
    def is_conditional(self) -> bool:
        return bool({"If-None-Match", "If-Modified-Since"} & set(self.headers))


class Website:
    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.scheme = "https" if tls else "http"
        self.pages: dict[str, Page] = {}
        self.requests: list[Request] = []
        self.connections = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._server.website = self
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Website:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, path: str = "/") -> str:
        return f"{self.scheme}://localhost:{self.port}{path}"

    def add(self, path: str, *links: str, text: str = "", head: str = "", **options) -> Page:
        anchors = "".join(f'<p><a href="{link}">there</a></p>' for link in links)
        html = (
            f"<!doctype html><html><head>{head}</head><body>{text or path}{anchors}</body></html>"
        )
        return self.put(path, html.encode(), **options)

    def put(self, path: str, body: bytes, **options) -> Page:
        self.pages[path] = Page(body, **options)
        return self.pages[path]

    def redirect(self, path: str, target: str, status: int = 302) -> None:
        self.pages[path] = Page(status=status, headers={"Location": target})

    def fail(self, path: str, status: int, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[path] = Page(b"sorry", status=status, headers=named)

    def asked(self) -> list[str]:
        """Paths of the requests since the last time, without the files about the site itself."""
        about_itself = ("/robots.txt", "/sitemap.xml")
        paths = [each.path for each in self.take() if not each.path.endswith(about_itself)]
        return sorted(paths)

    def take(self) -> list[Request]:
        taken, self.requests = self.requests, []
        return taken


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        self.server.website.connections += 1
        super().setup()

    def do_GET(self) -> None:
        website = self.server.website
        page = website.pages.get(self.path) or Page(b"not here", status=404)
        if page.answer:
            website.requests.append(Request(self.path, dict(self.headers), 200))
            page.answer(self)
            return
        is_same = page.has_etag and self.headers.get("If-None-Match") == page.etag
        modified = page.headers.get("Last-Modified")
        is_same |= modified is not None and self.headers.get("If-Modified-Since") == modified
        status = 304 if page.status == 200 and is_same else page.status
        website.requests.append(Request(self.path, dict(self.headers), status))
        self._send(page, status)

    def _send(self, page: Page, status: int) -> None:
        body = b"" if status == 304 else page.body
        accepts = "gzip" in self.headers.get("Accept-Encoding", "")
        packs = accepts and len(body) > 1000 and "Content-Encoding" not in page.headers
        self.send_response(status)
        if packs:
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        if page.has_etag and page.status == 200:
            self.send_header("ETag", page.etag)
        for name, value in {"Content-Type": page.media_type, **page.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

"""URLs in one form each, and what a page says about itself and others."""

from __future__ import annotations

import re
import string
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

from retrieval.connectors.base import MAX_EXTERNAL_ID_BYTES
from retrieval.names import make_legible, shorten

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PORTS = {"http": 80, "https": 443}
# More of a page is not searched for links. The largest of usual pages take a second.
MAX_HTML_BYTES = 10 * 2**20
MAX_HTML_SECONDS = 5.0
PIECE = 64 * 2**10
MAX_LINKS = 5_000
MAX_WRITTEN = 4 * MAX_EXTERNAL_ID_BYTES
SPACE = " \t\r\n\f"
UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")
HOST = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]")
LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
LINKS = {"a": "href", "area": "href", "frame": "src", "iframe": "src"}
ROBOT_NAMES = frozenset({"robots", "ragadmin"})


def normalise(url: str, base: str = "") -> str | None:
    """One spelling for what is one page: no fragment, no default port, one kind of escapes.

    None for what is no web page's address, or has credentials in it.
    """
    if len(url) > MAX_WRITTEN:
        return None
    try:
        parts = urlsplit(urljoin(base, url.strip(SPACE)))
        if parts.scheme not in DEFAULT_PORTS or "@" in parts.netloc:
            return None
        origin = _origin(parts)
        path = _remove_dots(_escape(parts.path, "/:@!$&'()*+,;=")) or "/"
        query = _escape(parts.query, "/:@!$&'()*+,;=?[]")
    except ValueError:
        return None
    found = f"{origin}{path}" + (f"?{query}" if query else "")
    return found if len(found) <= MAX_EXTERNAL_ID_BYTES else None


def _origin(parts: SplitResult) -> str:
    host = (parts.hostname or "").rstrip(".")
    host = f"[{host}]" if ":" in host else host.encode("idna").decode("ascii").lower()
    if not HOST.fullmatch(host) or parts.port == 0:
        raise ValueError("no host")
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    return f"{parts.scheme}://{host}" + ("" if port == DEFAULT_PORTS[parts.scheme] else f":{port}")


def _escape(text: str, safe: str) -> str:
    text = LONE_PERCENT.sub("%25", text)
    text = ESCAPE.sub(lambda found: _unescape(found[1]), text)
    return quote(text, safe=f"{safe}%")


def _unescape(digits: str) -> str:
    char = chr(int(digits, 16))
    return char if char in UNRESERVED else f"%{digits.upper()}"


def _remove_dots(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments[1:] if path.startswith("/") else segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)


def origin_of(url: str) -> str:
    """Scheme, host and port of a normalised URL."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{re.split('[/?]', rest, maxsplit=1)[0]}"


def path_of(url: str) -> str:
    """The path as people write it, without the slash in front."""
    return readable(urlsplit(url).path.removeprefix("/"))


def folder_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[0] + "/"


def readable(text: str) -> str:
    """Escapes replaced by the letters they stand for, where all of them are letters."""
    plain = unquote(text, errors="strict") if _is_text(text) else text
    return plain if plain.isprintable() else text


def show(url: str) -> str:
    """The address as people read it, without its scheme."""
    return shorten(make_legible(readable(url.partition("://")[2])))


def _is_text(text: str) -> bool:
    try:
        unquote(text, errors="strict")
    except UnicodeDecodeError:
        return False
    return True


@dataclass(slots=True)
class PageFacts:
    """`links` are normalised, each once, also those that lead elsewhere."""

    links: list[str] = field(default_factory=list[str])
    canonical: str | None = None
    noindex: bool = False
    nofollow: bool = False

    def obey(self, directives: str) -> None:
        words = set(re.split(r"[\s,]+", directives.lower()))
        self.noindex |= bool(words & {"noindex", "none"})
        self.nofollow |= bool(words & {"nofollow", "none"})


def read_html(body: bytes, url: str, charset: str) -> PageFacts:
    reader = _Reader(url)
    parser = etree.HTMLParser(target=reader, encoding=_encoding(body, charset))
    ends = time.thread_time() + MAX_HTML_SECONDS
    try:
        for start in range(0, min(len(body), MAX_HTML_BYTES), PIECE):
            parser.feed(body[start : start + PIECE])
            if time.thread_time() > ends:
                return reader.facts
        parser.close()
    except (etree.LxmlError, ValueError):
        return reader.facts
    return reader.facts


def _encoding(body: bytes, charset: str) -> str | None:
    """None: what the page declares."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        return "utf-8"
    try:
        etree.HTMLParser(encoding=charset or None)
    except LookupError:
        return None
    return charset or None


def read_x_robots(value: str) -> str:
    """Of `noindex, otherbot: nofollow, ragadmin: none` what is said to everybody and to us."""
    agent, kept = "", list[str]()
    for part in value.split(","):
        name, colon, rest = part.strip().rpartition(":")
        if colon and not name.lower().strip().startswith(("unavailable_after", "max-")):
            agent, part = name.strip().lower(), rest
        if agent in {"", "ragadmin"}:
            kept.append(part.strip())
    return ",".join(kept)


class _Reader:
    """Target of the parser: no tree is built."""

    def __init__(self, url: str) -> None:
        self.facts = PageFacts()
        self._base = url
        self._has_base = False
        self._written: set[str] = set()
        self._seen: set[str] = set()

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag in LINKS:
            self._add_link(attributes, LINKS[tag])
        elif tag == "link" and "canonical" in attributes.get("rel", "").lower().split():
            self.facts.canonical = normalise(attributes.get("href", ""), self._base)
        elif tag == "meta" and attributes.get("name", "").lower() in ROBOT_NAMES:
            self.facts.obey(attributes.get("content", ""))
        elif tag == "base" and not self._has_base:
            self._base = normalise(attributes.get("href", ""), self._base) or self._base
            self._has_base = True

    def _add_link(self, attributes: Mapping[str, str], name: str) -> None:
        if "nofollow" in attributes.get("rel", "").lower().split() or name not in attributes:
            return
        if (written := attributes[name]) in self._written:
            return
        self._written.add(written)
        url = normalise(written, self._base)
        if url and url not in self._seen and len(self._seen) < MAX_LINKS:
            self._seen.add(url)
            self.facts.links.append(url)

    def close(self) -> None:
        """Asked for by the parser."""

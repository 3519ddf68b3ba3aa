"""Sitemaps and indexes of them: which pages there are, and when each was changed last.

The XML is read without entities, DTDs or the network.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

from ragadmin.errors import TooLarge
from retrieval.connectors.base import SkippedItem, SourceUnavailable
from retrieval.connectors.http_client import NoAnswer, unpack
from retrieval.connectors.links import normalise, show
from retrieval.connectors.robots import get_following

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrieval.connectors.http_client import Answer, HttpClient
    from retrieval.connectors.robots import Robots

# As sitemaps.org says: one file has 50,000 URLs and 50 MB at most.
MAX_BYTES = 50 * 2**20
MAX_FILES = 100
MAX_PAGES = 200_000
GZIP = b"\x1f\x8b"


class NoSitemap(Exception):
    """There is none, or it is something else."""


@dataclass(slots=True)
class Sitemap:
    """`pages`: when each was changed last, as far as it is told: the end of that day or second."""

    pages: dict[str, datetime | None] = field(default_factory=dict[str, datetime | None])
    files: int = 0


def find_sitemaps(robots: Robots, prefix: str) -> list[str]:
    """Those that robots.txt names, or else the usual one."""
    named = [url for url in map(normalise, robots.sitemaps) if url]
    usual = f"{prefix}sitemap.xml"
    return named or ([usual] if robots.allows(usual) else [])


def add_sitemap(
    client: HttpClient, url: str, sitemap: Sitemap, *, is_required: bool = False
) -> Iterator[SkippedItem]:
    """Each file that was read; none where there is no sitemap. Raises SourceUnavailable."""
    try:
        children = _read_file(client, url, sitemap)
    except NoSitemap as error:
        if is_required:
            raise SourceUnavailable(
                f"There is no sitemap: {error}", code="not_found", permanent=True
            ) from None
        return
    yield _tell(url, sitemap)
    for child in children:
        _read_child(client, child, sitemap)
        yield _tell(child, sitemap)


def _tell(url: str, sitemap: Sitemap) -> SkippedItem:
    return SkippedItem(
        show(url), f"A sitemap. {len(sitemap.pages):,} pages are listed up to here.", "sitemap"
    )


def _read_child(client: HttpClient, url: str, sitemap: Sitemap) -> None:
    try:
        deeper = _read_file(client, url, sitemap)
    except NoSitemap as error:
        raise SourceUnavailable(f"A part of the sitemap is missing: {error}") from None
    if deeper:
        raise SourceUnavailable(
            f"{url} is a list of sitemaps inside a list of sitemaps. Give the address of one sitemap.",
            permanent=True,
        )


def _read_file(client: HttpClient, url: str, sitemap: Sitemap) -> list[str]:
    """Adds its pages, and returns the sitemaps that it lists."""
    sitemap.files += 1
    if sitemap.files > MAX_FILES:
        raise _too_large(f"has more than {MAX_FILES} parts")
    try:
        answer = get_following(client, url, max_bytes=MAX_BYTES)
        body = _unpack(answer)
    except NoAnswer as error:
        raise SourceUnavailable(f"The sitemap {url}: {error.message}", code=error.code) from None
    except TooLarge:
        raise _too_large(f"{url} is larger than {MAX_BYTES // 2**20} MB") from None
    if answer.status >= 500 or answer.status == 429:
        raise SourceUnavailable(f"The sitemap {url} answers with {answer.status}.")
    if not answer.is_whole:
        raise NoSitemap(f"{url} answers with {answer.status}.")
    return _parse(body, url, sitemap)


def _too_large(what: str) -> SourceUnavailable:
    return SourceUnavailable(
        f"The sitemap {what}. Give the address of a smaller one.", code="too_large", permanent=True
    )


def _unpack(answer: Answer) -> bytes:
    if not answer.body.startswith(GZIP):
        return answer.body
    body = bytearray()
    try:
        for piece in unpack([answer.body], MAX_BYTES):
            body += piece
            if len(body) > MAX_BYTES:
                raise TooLarge("too large")
    except zlib.error:
        raise NoAnswer("It cannot be unpacked.") from None
    return bytes(body)


def _parse(body: bytes, url: str, sitemap: Sitemap) -> list[str]:
    children: list[str] = []
    try:
        for is_page, location, changed in _read_entries(body):
            found = normalise(location, url) if location else None
            if found and is_page:
                sitemap.pages[found] = changed
            elif found:
                children.append(found)
            if len(sitemap.pages) > MAX_PAGES:
                raise _too_large(f"lists more than {MAX_PAGES:,} pages")
    except etree.XMLSyntaxError as error:
        raise NoSitemap(f"{url} cannot be read as XML ({error}).") from None
    return children


def _read_entries(body: bytes) -> Iterator[tuple[bool, str, datetime | None]]:
    """Whether each is a page, its address, its date. Raises XMLSyntaxError, NoSitemap."""
    events = etree.iterparse(
        io.BytesIO(body),
        events=("start", "end"),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
    )
    _, root = next(events)
    if _local(root.tag) not in {"urlset", "sitemapindex"}:
        raise NoSitemap("It is no sitemap.")
    for event, element in events:
        if event == "end" and element.getparent() is root:
            if _local(element.tag) in {"url", "sitemap"}:
                values = {_local(child.tag): child.text or "" for child in element}
                is_page = _local(element.tag) == "url"
                yield is_page, values.get("loc", "").strip(), read_date(values.get("lastmod", ""))
            element.clear()
            while element.getprevious() is not None:
                del root[0]


def _local(tag: object) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def read_date(text: str) -> datetime | None:
    """The latest moment that it may mean: a day ends last at UTC-12."""
    try:
        found = datetime.fromisoformat(text.strip())
        if len(text.strip()) <= len("2026-01-01"):
            return found.replace(tzinfo=UTC) + timedelta(hours=36)
        return found if found.tzinfo else found.replace(tzinfo=UTC) + timedelta(hours=12)
    except (ValueError, OverflowError):
        return None

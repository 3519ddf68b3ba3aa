"""One page: what its answer says of it, and what is kept to ask for it again without its body."""

from __future__ import annotations

import base64
import hashlib
import time
import zlib
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from retrieval.connectors.links import PageFacts, origin_of, read_html, read_x_robots
from retrieval.connectors.page_types import suffix_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrieval.connectors.base import KnownItem
    from retrieval.connectors.http_client import Answer

# A page with more is read in full each time.
MAX_KEPT_LINKS = 2_000
MAX_VALIDATOR = 250
# Last-Modified counts seconds: a page just changed may change again within the same one.
SETTLED_SECONDS = 60


@dataclass(slots=True)
class Page:
    """An answer of 200. `fingerprint` is empty where the body would be needed for it."""

    suffix: str | None
    fingerprint: str = ""
    size: int | None = None
    facts: PageFacts = field(default_factory=PageFacts)
    state: dict[str, Any] = field(default_factory=dict[str, Any])


def wants_body(answer: Answer) -> bool:
    """Pages are read for their links; a file only where nothing else tells its versions apart."""
    suffix = suffix_for(answer)
    return suffix == "html" or (suffix is not None and not read_validators(answer))


def read_page(answer: Answer) -> Page:
    page = Page(suffix_for(answer))
    if page.suffix is None:
        return page
    validators = read_validators(answer)
    if page.suffix == "html" and answer.is_whole:
        page.facts = read_html(answer.body, answer.url, answer.charset)
    page.facts.obey(read_x_robots(answer.headers.get("x-robots-tag", "")))
    if page.facts.nofollow:
        page.facts.links = []
    page.fingerprint = make_fingerprint(answer, page.suffix, validators)
    page.size = len(answer.body) if answer.is_whole else _length(answer)
    page.state = {**validators, "read_at": int(time.time()), **_keep_links(answer.url, page.facts)}
    return page


def make_fingerprint(answer: Answer, suffix: str, validators: Mapping[str, str]) -> str:
    """Of a file that the server gives a version its version; of all else the content."""
    if suffix != "html" and validators:
        version = "\n".join([answer.url, *validators.values()])
        return f"version:{hashlib.sha256(version.encode()).hexdigest()}"
    return hashlib.sha256(answer.body).hexdigest() if answer.is_whole else ""


def read_validators(answer: Answer) -> dict[str, str]:
    etag = answer.headers.get("etag", "").strip()
    if etag and _can_be_sent_back(etag):
        return {"etag": etag}
    changed = answer.headers.get("last-modified", "").strip()
    is_settled = _is_settled(changed, answer.headers.get("date", ""))
    return {"modified": changed} if is_settled and _can_be_sent_back(changed) else {}


def _can_be_sent_back(value: str) -> bool:
    return len(value) <= MAX_VALIDATOR and value.isascii() and value.isprintable()


def _is_settled(changed: str, now: str) -> bool:
    try:
        age = parsedate_to_datetime(now) - parsedate_to_datetime(changed)
    except (ValueError, TypeError):
        return False
    return age.total_seconds() > SETTLED_SECONDS


def _length(answer: Answer) -> int | None:
    length = answer.headers.get("content-length", "")
    return int(length) if length.isdecimal() and len(length) < 19 else None


def _keep_links(url: str, facts: PageFacts) -> dict[str, str]:
    """Those to the same host, without its name. Packed: pages of a site mostly link to the same."""
    origin = origin_of(url)
    kept = [link[len(origin) :] for link in facts.links if origin_of(link) == origin]
    if len(kept) > MAX_KEPT_LINKS:
        return {}
    return {"links": base64.b85encode(zlib.compress("\n".join(kept).encode(), 9)).decode()}


def kept_links(url: str, known: KnownItem) -> list[str]:
    origin = origin_of(url)
    packed = known.state.get("links", "")
    lines = zlib.decompress(base64.b85decode(packed)).decode() if packed else ""
    return [f"{origin}{link}" for link in lines.splitlines()]


def ask_for_changes(known: KnownItem | None) -> dict[str, str]:
    """Headers that spare the body of a page that is as it was, if its links are known too."""
    if known is None or not known.fingerprint or "links" not in known.state:
        return {}
    if etag := known.state.get("etag"):
        return {"If-None-Match": etag}
    changed = known.state.get("modified")
    return {"If-Modified-Since": changed} if changed else {}

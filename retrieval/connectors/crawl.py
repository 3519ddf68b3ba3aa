"""Visits the pages of one website, one after the other, and says what each is.

What a listing does not name is deleted, so a page that fails today is named as it was known, and
where a failed page hides its links, all known pages are asked for.
"""

from __future__ import annotations

import time
import zlib
from collections import deque
from typing import TYPE_CHECKING

from django.conf import settings

from ragadmin.errors import TooLarge
from retrieval.connectors.base import SkippedItem, SourceItem, SourceUnavailable
from retrieval.connectors.http_client import NoAnswer
from retrieval.connectors.links import normalise, show
from retrieval.connectors.page_types import has_no_text
from retrieval.connectors.pages import Page, ask_for_changes, kept_links, read_page, wants_body

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from retrieval.connectors.base import KnownItem
    from retrieval.connectors.http_client import Answer, HttpClient
    from retrieval.connectors.robots import Robots
    from retrieval.connectors.scope import Scope

# A site that fails for so many of the pages asked for is not listed at all.
MAX_FAILED_SHARE = 0.2
FEWEST_FAILURES = 3
FAILURES_TO_GIVE_UP = 10
# How long a server that is busy may ask us to wait. With the time for both tries it must stay below
# the lease of a run, which is renewed with each item.
MAX_RETRY_AFTER = 20
MAX_TRIES = 2
# Links to different addresses that are remembered for each page that may be listed.
LINKS_PER_PAGE = 20
# A sitemap's date counts when the page was read so long after it. Dates may be wrong, so in each hour
# one page of so many is asked for anyway; a prime, so that a daily or weekly run reaches them all.
LASTMOD_MARGIN = 24 * 3600
LASTMOD_TURNS = 23


class Crawl:
    """`first`: the answer for the start page, which was asked for already."""

    def __init__(
        self,
        client: HttpClient,
        robots: Robots,
        scope: Scope,
        known: Mapping[str, KnownItem],
        *,
        first: Answer,
        max_pages: int,
        seconds: float,
    ) -> None:
        self._client = client
        self._robots = robots
        self._scope = scope
        self._known = known
        self._first: Answer | None = first
        self._max_pages = max_pages
        self._seconds = seconds
        self._ends = time.monotonic() + seconds
        # Known pages first: a site larger than the limit keeps the ones it has.
        self._known_ahead: deque[str] = deque()
        self._new_ahead: deque[str] = deque()
        self._seen: set[str] = set()
        self._listed: set[str] = set()
        self._duplicates: dict[str, tuple[str, SourceItem]] = {}
        self._asked = self._failed = 0
        self._follows_links = True
        self._hides_links = False

    def follow_links(self, start: str) -> Iterator[SourceItem | SkippedItem]:
        """Raises SourceUnavailable."""
        yield from self._add([start])
        yield from self._visit_all()
        if self._hides_links:
            yield from self._add(url for url in self._known if self._scope.covers(url))
            yield from self._visit_all()
        yield from self._finish()

    def follow_sitemap(
        self, pages: Mapping[str, datetime | None]
    ) -> Iterator[SourceItem | SkippedItem]:
        """Raises SourceUnavailable."""
        self._follows_links = False
        for url, changed in pages.items():
            known = self._known.get(url)
            is_spared = known and is_older(changed, known) and not has_turn(url, time.time())
            if known and is_spared and self._may_list(url):
                self._seen.add(url)
                yield from self._list(known_item(url, known))
        yield from self._add(pages)
        yield from self._visit_all()
        yield from self._finish()

    def _may_list(self, url: str) -> bool:
        allowed = self._scope.covers(url) and self._scope.includes(url) and self._robots.allows(url)
        return allowed and len(self._listed) < self._max_pages

    def _add(self, urls: Iterable[str]) -> Iterator[SkippedItem]:
        """Takes down what is to be visited, each once."""
        for url in urls:
            if url in self._seen or not self._scope.covers(url):
                continue
            is_known = url in self._known
            if len(self._seen) > self._max_pages * LINKS_PER_PAGE and not is_known:
                continue
            self._seen.add(url)
            if not self._scope.includes(url) and url != self._scope.start:
                yield _skip(url, "The patterns of the source leave it out.", "excluded")
            elif not is_known and has_no_text(url):
                yield _skip(url, "Files of this type cannot be read.", "unsupported_type")
            else:
                (self._known_ahead if is_known else self._new_ahead).append(url)

    def _visit_all(self) -> Iterator[SourceItem | SkippedItem]:
        while self._known_ahead or self._new_ahead:
            if len(self._listed) >= self._max_pages:
                yield self._tell_limit()
                return
            self._check_time()
            yield from self._visit((self._known_ahead or self._new_ahead).popleft())

    def _tell_limit(self) -> SkippedItem:
        left = len(self._known_ahead) + len(self._new_ahead)
        self._known_ahead.clear()
        self._new_ahead.clear()
        return SkippedItem(
            self._scope.start,
            f"The site has more than {self._max_pages:,} pages; at least {left:,} links were not"
            " followed. Raise the limit of the source, or leave out more.",
            "too_many_pages",
        )

    def _check_time(self) -> None:
        if time.monotonic() > self._ends:
            raise SourceUnavailable(
                f"The site was not read in {self._seconds / 60:.0f} minutes: {self._asked:,} pages"
                " so far. Begin at a deeper folder, leave out more, or set fewer pages.",
                code="too_slow",
                permanent=True,
            )

    def _visit(self, url: str) -> Iterator[SourceItem | SkippedItem]:
        if not self._robots.allows(url):
            yield _skip(url, "robots.txt asks not to read it.", "robots_disallowed")
            return
        self._asked += 1
        try:
            answer = self._ask(url)
        except TooLarge as error:
            self._hides_links = True
            yield _skip(url, error.message, error.code, is_failure=True)
        except NoAnswer as error:
            yield from self._fail(url, error.message, error.code)
        else:
            yield from self._take(url, answer)

    def _ask(self, url: str) -> Answer:
        if self._first and self._first.url == url:
            answer, self._first = self._first, None
            return answer
        return ask_patiently(self._client, url, ask_for_changes(self._known.get(url)))

    def _take(self, url: str, answer: Answer) -> Iterator[SourceItem | SkippedItem]:
        known = self._known.get(url)
        if answer.status == 200:
            yield from self._take_page(url, read_page(answer))
        elif answer.status == 304 and known:
            yield from self._list(known_item(url, known))
            yield from self._follow(kept_links(url, known))
        elif answer.location:
            yield from self._redirect(url, normalise(answer.location, url))
        elif answer.status in {404, 410}:
            yield _skip(url, f"It is linked to, but not there ({answer.status}).", "gone")
        elif answer.status in {401, 403} and not known:
            yield _skip(url, f"The server does not show it ({answer.status}).", "forbidden")
        else:
            reason = f"The server answers with {answer.status}."
            yield from self._fail(url, reason, "unreadable")

    def _take_page(self, url: str, page: Page) -> Iterator[SourceItem | SkippedItem]:
        yield from self._follow(page.facts.links)
        canonical = page.facts.canonical or url
        if page.suffix is None:
            yield _skip(url, "Files of this type cannot be read.", "unsupported_type")
        elif page.facts.noindex:
            yield _skip(url, "It asks not to be indexed.", "noindex")
        elif not self._scope.includes(url):
            yield _skip(url, "The patterns of the source leave it out.", "excluded")
        elif canonical != url and self._scope.covers(canonical):
            yield from self._add([canonical])
            self._duplicates[url] = canonical, _item(url, page)
        else:
            yield from self._list(_item(url, page))

    def _redirect(self, url: str, target: str | None) -> Iterator[SkippedItem]:
        where = target or "nowhere"
        if target and self._scope.covers(target):
            yield from self._add([target])
            yield _skip(url, f"It leads to {where}.", "redirect")
        else:
            yield _skip(url, f"It leads out of the source, to {where}.", "outside")

    def _follow(self, links: list[str]) -> Iterator[SkippedItem]:
        if self._follows_links:
            yield from self._add(links)

    def _list(self, item: SourceItem) -> Iterator[SourceItem]:
        if item.external_id not in self._listed:
            self._listed.add(item.external_id)
            yield item

    def _fail(self, url: str, reason: str, code: str) -> Iterator[SourceItem | SkippedItem]:
        self._failed += 1
        self._check_failures(FAILURES_TO_GIVE_UP)
        known = self._known.get(url)
        if known and known.fingerprint:
            yield from self._list(known_item(url, known))
            yield from self._follow(kept_links(url, known))
        else:
            yield _skip(url, reason, code, is_failure=True)
        self._hides_links |= known is None or "links" not in known.state

    def _check_failures(self, fewest: int) -> None:
        if self._failed >= fewest and self._failed > self._asked * MAX_FAILED_SHARE:
            raise SourceUnavailable(
                f"{self._failed:,} of {self._asked:,} pages could not be read. Nothing is changed"
                " until the site answers again.",
                code="too_many_failures",
            )

    def _finish(self) -> Iterator[SourceItem | SkippedItem]:
        """A page that names another as the original counts where that one is not there."""
        self._check_failures(FEWEST_FAILURES)
        for url, (canonical, item) in self._duplicates.items():
            if canonical in self._listed:
                yield _skip(url, f"It is the same as {canonical}.", "duplicate")
            else:
                yield from self._list(item)


def ask_patiently(client: HttpClient, url: str, headers: Mapping[str, str]) -> Answer:
    """Waits where the server asks for it. Raises SourceUnavailable, NoAnswer, TooLarge."""
    wait = ""
    for _ in range(MAX_TRIES):
        answer = client.get(
            url, headers, wants_body=wants_body, max_bytes=settings.MAX_UPLOAD_BYTES
        )
        wait = answer.headers.get("retry-after", "")
        if answer.status not in {429, 503} or not wait.isdecimal():
            return answer
        if len(wait) > 4 or int(wait) > MAX_RETRY_AFTER:
            break
        time.sleep(int(wait))
    raise SourceUnavailable(
        f"The server is busy and asks to come back in {wait[:10]} seconds. Ask it less often, by"
        " more seconds between requests.",
        code="busy",
    )


def is_older(changed: datetime | None, known: KnownItem) -> bool:
    """Whether a page was read safely after the change that its sitemap tells."""
    read_at = known.state.get("read_at")
    if changed is None or not known.fingerprint or not isinstance(read_at, int):
        return False
    return changed.timestamp() + LASTMOD_MARGIN < read_at


def has_turn(url: str, now: float) -> bool:
    """Whether the page is asked for in this hour, whatever its sitemap says."""
    return (zlib.crc32(url.encode()) + int(now // 3600)) % LASTMOD_TURNS == 0


def known_item(url: str, known: KnownItem) -> SourceItem:
    return SourceItem(url, show(url), known.fingerprint, state=known.state)


def _item(url: str, page: Page) -> SourceItem:
    return SourceItem(url, show(url), page.fingerprint, page.size, page.state)


def _skip(url: str, reason: str, code: str, *, is_failure: bool = False) -> SkippedItem:
    return SkippedItem(show(url), reason, code, is_failure=is_failure, external_id=url)

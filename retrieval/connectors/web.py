"""Pages of a website: those of its sitemap, or all that its links lead to, below one folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings

from ragadmin.errors import TooLarge
from retrieval.connectors.base import (
    Connector,
    Content,
    ItemGone,
    ItemUnreadable,
    SourceUnavailable,
)
from retrieval.connectors.crawl import Crawl, ask_patiently
from retrieval.connectors.http_client import HttpClient, NoAnswer
from retrieval.connectors.links import folder_of, normalise, origin_of
from retrieval.connectors.page_types import filename_for, readable_bytes, suffix_for
from retrieval.connectors.pages import ask_for_changes, read_page
from retrieval.connectors.robots import MAX_REDIRECTS, Robots, read_robots
from retrieval.connectors.scope import Scope, is_same_site, move_prefix
from retrieval.connectors.sitemap import Sitemap, add_sitemap, find_sitemaps
from retrieval.connectors.web_config import clean_web_config

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from retrieval.connectors.base import KnownItem, SkippedItem, SourceItem
    from retrieval.connectors.http_client import Answer

# Pages that are asked for at the agreed pace take this long at least, and twice that is enough.
LISTING_SECONDS = 30 * 60
MAX_LISTING_SECONDS = 12 * 3600
FETCH_SECONDS = 50.0
# Pages are fetched a few at a time, each time by another connector.
ROBOTS_SECONDS = 600.0


class WebConnector(Connector):
    kind: ClassVar[str] = "web"
    label: ClassVar[str] = "Website"
    fingerprints_content: ClassVar[bool] = True
    credential_fields: ClassVar[Mapping[str, str]] = {
        "username": "User name",
        "password": "Password",
        "token": "Bearer token",
    }

    def __init__(self, config: Mapping[str, Any], credentials: Mapping[str, str]) -> None:
        super().__init__(config, credentials)
        self._url: str = config["url"]
        gap = max(config["seconds_between_requests"], settings.MIN_SECONDS_BETWEEN_REQUESTS)
        self._client = HttpClient(origin_of(self._url), credentials, gap)
        self._robots: dict[str, Robots] = {}

    @classmethod
    def clean_config(cls, config: Mapping[str, Any], *, tenant_slug: str) -> dict[str, Any]:
        return clean_web_config(config)

    def describe(self) -> str:
        return self._url

    def link_to(self, external_id: str) -> str:
        return external_id

    def close(self) -> None:
        self._client.close()

    def list_items(self, known: Mapping[str, KnownItem]) -> Iterator[SourceItem | SkippedItem]:
        first, prefix = self._open_start(known)
        scope = Scope(first.url, prefix, self.config["include"], self.config["exclude"])
        robots = self._robots_of(first.url)
        crawl = Crawl(
            self._client,
            robots,
            scope,
            known,
            first=first,
            max_pages=self.config["max_pages"],
            seconds=self._listing_seconds(),
        )
        sitemap = yield from self._read_sitemap(scope, robots)
        if sitemap is not None:
            yield from crawl.follow_sitemap(sitemap.pages)
        else:
            yield from crawl.follow_links(first.url)

    def _listing_seconds(self) -> float:
        wanted = 2 * self.config["max_pages"] * self._client.gap
        return min(max(LISTING_SECONDS, wanted), MAX_LISTING_SECONDS)

    def _robots_of(self, url: str, *, max_age: float = 0.0) -> Robots:
        origin = origin_of(url)
        if origin not in self._robots:
            self._robots[origin] = read_robots(self._client, origin, max_age=max_age)
        return self._robots[origin]

    def _open_start(self, known: Mapping[str, KnownItem]) -> tuple[Answer, str]:
        """The answer for the start page, and the prefix that all pages have."""
        url, prefix = self._url, folder_of(self._url)
        for _ in range(MAX_REDIRECTS):
            answer = self._ask_start(url, known.get(url))
            target = normalise(answer.location, url) if answer.location else None
            if target is None:
                check_start(answer)
                return answer, prefix
            moved = move_prefix(prefix, url, target)
            if moved is None:
                raise SourceUnavailable(
                    f"{url} leads to {target}. If that is the site, give this address.",
                    code="moved",
                    permanent=True,
                )
            url, prefix = target, moved
            self._client.origin = origin_of(url)
        raise SourceUnavailable(
            f"{self._url} leads from page to page, the last one {url}.",
            code="moved",
            permanent=True,
        )

    def _ask_start(self, url: str, known: KnownItem | None) -> Answer:
        if not self._robots_of(url).allows(url):
            raise SourceUnavailable(
                f"robots.txt of the site asks not to read {url}. Begin at a page that may be read,"
                " or ask the owner of the site to allow the user agent ragadmin.",
                code="robots_disallowed",
                permanent=True,
            )
        try:
            return ask_patiently(self._client, url, ask_for_changes(known))
        except NoAnswer as error:
            raise SourceUnavailable(f"{url}: {error.message}", code=error.code) from None
        except TooLarge as error:
            raise SourceUnavailable(
                f"{url}: {error.message}", code=error.code, permanent=True
            ) from None

    def _read_sitemap(
        self, scope: Scope, robots: Robots
    ) -> Generator[SkippedItem, None, Sitemap | None]:
        """None where there is none of these pages, so that links have to be followed."""
        sitemap = Sitemap()
        if self.config["sitemap"]:
            yield from add_sitemap(self._client, self.config["sitemap"], sitemap, is_required=True)
            return sitemap
        for url in find_sitemaps(robots, scope.prefix):
            yield from add_sitemap(self._client, url, sitemap)
        return sitemap if any(map(scope.covers, sitemap.pages)) else None

    def fetch(self, external_id: str) -> Content:
        if not is_same_site(self._url, external_id):
            raise ItemGone("The page is at another address than the source.")
        self._client.origin = origin_of(external_id)
        robots = self._robots_of(external_id, max_age=ROBOTS_SECONDS)
        if not robots.allows(external_id):
            raise ItemUnreadable("robots.txt asks not to read it.", code="robots_disallowed")
        answer = self._get(external_id)
        check_page(answer)
        page = read_page(answer)
        if page.facts.noindex:
            raise ItemGone("The page asks not to be indexed.")
        if page.suffix is None:
            raise ItemUnreadable(
                f"Files of the type {answer.media_type} cannot be read.", code="unsupported"
            )
        name = filename_for(external_id, page.suffix)
        data = readable_bytes(answer, page.suffix)
        return Content(data, name, page.fingerprint, page.state)

    def _get(self, url: str) -> Answer:
        try:
            return self._client.get(
                url,
                wants_body=lambda answer: suffix_for(answer) is not None,
                max_bytes=settings.MAX_UPLOAD_BYTES,
                seconds=FETCH_SECONDS,
            )
        except NoAnswer as error:
            raise ItemUnreadable(error.message, code=error.code, permanent=False) from None


def check_start(answer: Answer) -> None:
    """Raises SourceUnavailable where the start page does not show itself."""
    status, url = answer.status, answer.url
    if status in {200, 304}:
        return
    if status in {401, 403}:
        raise SourceUnavailable(
            f"{url} is not shown to us ({status}). Enter a user name and password or a token that"
            " may read it, or ask the owner of the site to let the user agent ragadmin in.",
            code="forbidden",
            permanent=True,
        )
    if status in {404, 410}:
        raise SourceUnavailable(
            f"{url} is not there ({status}). Check the address.", code="not_found", permanent=True
        )
    raise SourceUnavailable(f"{url} answers with {status}.", permanent=status < 500)


def check_page(answer: Answer) -> None:
    """Raises ItemGone or ItemUnreadable for all but a page."""
    status = answer.status
    if status == 200:
        return
    if status in {404, 410}:
        raise ItemGone(f"The page is not there any more ({status}).")
    if status in {401, 403}:
        raise ItemUnreadable(f"The server does not show it ({status}).", code="forbidden")
    if answer.location:
        raise ItemUnreadable("The page leads to another one now.", code="moved", permanent=False)
    raise ItemUnreadable(
        f"The server answers with {status}.", permanent=status < 500 and status != 429
    )

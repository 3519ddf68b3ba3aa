"""robots.txt, kept as RFC 9309 says: unreachable means nothing may be asked, absent means all may."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from protego import Protego

from ragadmin.errors import TooLarge
from retrieval.connectors.base import SourceUnavailable
from retrieval.connectors.http_client import USER_AGENT, NoAnswer
from retrieval.connectors.links import normalise

if TYPE_CHECKING:
    from retrieval.connectors.http_client import Answer, HttpClient

MAX_BYTES = 512 * 2**10
MAX_REDIRECTS = 5
# Slower than this no site can be read in a reasonable time.
MAX_DELAY = 60.0
MAX_REMEMBERED = 100
MAX_BYTES_REMEMBERED = 64 * 2**10

# By origin and by who asks: when they were read, and what they say.
_lately: dict[tuple[str, str], tuple[float, Robots]] = {}


class Robots:
    def __init__(self, text: str) -> None:
        self._rules = Protego.parse(text)
        self.is_small = len(text) <= MAX_BYTES_REMEMBERED
        self.delay = self._rules.crawl_delay(USER_AGENT) or 0.0
        self.sitemaps = list(self._rules.sitemaps)

    def allows(self, url: str) -> bool:
        return self._rules.can_fetch(url, USER_AGENT)


def read_robots(client: HttpClient, origin: str, *, max_age: float = 0.0) -> Robots:
    """Also makes the client as slow as the site asks for. Raises SourceUnavailable.

    `max_age`: how many seconds ago they may have been read by this process.
    """
    url, key = f"{origin}/robots.txt", (origin, client.identity)
    read_at, robots = _lately.pop(key, (float("-inf"), None))
    if robots is None or time.monotonic() - read_at >= max_age:
        read_at, robots = time.monotonic(), _get_robots(client, url)
    while len(_lately) >= MAX_REMEMBERED:
        _lately.pop(next(iter(_lately)), None)
    if robots.is_small:
        _lately[key] = read_at, robots
    _keep_delay(client, url, robots)
    return robots


def _get_robots(client: HttpClient, url: str) -> Robots:
    try:
        answer = get_following(client, url, max_bytes=MAX_BYTES)
    except NoAnswer as error:
        raise SourceUnavailable(f"{url}: {error.message}", code=error.code) from None
    except TooLarge:
        raise SourceUnavailable(
            f"{url} is larger than {MAX_BYTES // 1024} kB.", permanent=True
        ) from None
    if answer.status >= 500 or answer.status == 429:
        raise SourceUnavailable(
            f"{url} answers with {answer.status}. As long as it does, no page may be asked for.",
            code="robots_unavailable",
        )
    return Robots(answer.body.decode("utf-8-sig", "replace") if answer.is_whole else "")


def _keep_delay(client: HttpClient, url: str, robots: Robots) -> None:
    if robots.delay > MAX_DELAY:
        raise SourceUnavailable(
            f"{url} asks for {robots.delay:g} seconds between two requests. That is too slow.",
            code="robots_disallowed",
            permanent=True,
        )
    client.gap = max(client.gap, robots.delay)


def get_following(client: HttpClient, url: str, *, max_bytes: int) -> Answer:
    """Redirects are followed to any public host: for what is no content of the source."""
    for _ in range(MAX_REDIRECTS):
        answer = client.get(url, max_bytes=max_bytes)
        target = normalise(answer.location, url) if answer.location else None
        if target is None:
            return answer
        url = target
    raise NoAnswer(f"More than {MAX_REDIRECTS} redirects, the last one to {url}.")

"""What people may set of a website source, in its normal form."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from django.conf import settings

from ragadmin.errors import InvalidRequest
from retrieval.connectors.globs import clean_patterns
from retrieval.connectors.links import normalise

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PAGES = 1_000
MAX_PAGES = 50_000
DEFAULT_GAP = 1.0
MAX_GAP = 60.0
FIELDS = frozenset(
    {"url", "sitemap", "max_pages", "include", "exclude", "seconds_between_requests"}
)


def clean_web_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Raises InvalidRequest."""
    for name in config:
        if name not in FIELDS:
            raise _refuse(name, f"A website has no setting {name!r}; it has {_names()}.")
    url = _clean_url(config.get("url"), "url")
    sitemap = config.get("sitemap") or ""
    return {
        "url": url,
        "sitemap": _clean_url(sitemap, "sitemap", base=url) if sitemap else "",
        "max_pages": _clean_pages(config.get("max_pages")),
        "include": clean_patterns(config.get("include") or [], "include"),
        "exclude": clean_patterns(config.get("exclude") or [], "exclude"),
        "seconds_between_requests": _clean_gap(config.get("seconds_between_requests")),
    }


def _refuse(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, extra={"field": f"config.{field}"})


def _names() -> str:
    return ", ".join(sorted(FIELDS))


def _clean_url(value: object, field: str, base: str = "") -> str:
    url = normalise(value, base) if isinstance(value, str) else None
    if url is None:
        raise _refuse(
            field,
            f"{field} must be an address that begins with https:// or http://, without a user name"
            " and password in it: those have fields of their own.",
        )
    return url


def _clean_pages(value: object) -> int:
    pages = _number(DEFAULT_PAGES if value is None or value == "" else value)
    if pages is None or pages != int(pages) or not 1 <= pages <= MAX_PAGES:
        raise _refuse("max_pages", f"max_pages must be a whole number from 1 to {MAX_PAGES:,}.")
    return int(pages)


def _clean_gap(value: object) -> float:
    gap = _number(DEFAULT_GAP if value is None or value == "" else value)
    least = settings.MIN_SECONDS_BETWEEN_REQUESTS
    if gap is None or not least <= gap <= MAX_GAP:
        raise _refuse(
            "seconds_between_requests",
            f"seconds_between_requests must be a number from {least:g} to {MAX_GAP:g}.",
        )
    return gap


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None

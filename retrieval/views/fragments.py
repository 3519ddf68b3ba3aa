"""One view, one context: the whole page, or the part of it that htmx asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.shortcuts import render
from django.utils.cache import patch_vary_headers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.http import HttpResponse

    from tenants.access import TenantHttpRequest


def render_page_or_part(
    request: TenantHttpRequest, page: str, *, part: str, target: str, context: dict[str, Any]
) -> HttpResponse:
    """The part only when htmx will put it into `target`; a restored history entry needs the page."""
    wants_part = request.htmx.target == target and not request.htmx.history_restore_request
    response = render(request, part if wants_part else page, context)
    patch_vary_headers(response, ("HX-Request",))
    return response


def read_ids(values: Iterable[str]) -> list[UUID]:
    """Of a form; what is none is left out."""
    found: list[UUID] = []
    for value in values:
        try:
            found.append(UUID(value))
        except ValueError:
            continue
    return found

"""Who may use the hot routes: an API key, or a browser's session with its CSRF token."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from structlog.contextvars import bind_contextvars

from ragadmin.errors import NotAuthenticated, PermissionDenied
from retrieval.query.limits import admit
from tenants.resolve import caller_for_key, caller_for_session

if TYPE_CHECKING:
    from starlette.requests import Request

    from tenants.config import Caller

SCOPE_NEEDED = "query"
# Where a request's scope keeps headers that its response gets.
RESPONSE_HEADERS = "ragadmin.response_headers"


async def asker_of(request: Request) -> Caller:
    """The caller, whose question counts for the limits. Raises RateLimited besides."""
    caller = await caller_of(request)
    if allowance := await admit(caller):
        request.scope[RESPONSE_HEADERS] = allowance.headers
    return caller


async def caller_of(request: Request) -> Caller:
    """Raises NotAuthenticated, PermissionDenied or NotFound."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        caller = await caller_for_key(key.strip())
    else:
        caller = await _from_session(request)
    bind_contextvars(tenant=caller.tenant.slug)
    if SCOPE_NEEDED not in caller.scopes:
        raise PermissionDenied(
            "This API key may not ask questions: use one with the scope query.",
            code="scope_missing",
        )
    return caller


async def _from_session(request: Request) -> Caller:
    session_key = request.cookies.get(settings.SESSION_COOKIE_NAME)
    slug = request.path_params.get("slug") or request.headers.get("x-ragadmin-tenant", "")
    if not session_key or not slug:
        raise NotAuthenticated(
            "Send an API key as 'Authorization: Bearer <key>': a tenant admin makes keys on the API keys page.",
            code="missing_api_key",
        )
    if request.method not in {"GET", "HEAD"}:
        _check_csrf(request)
    return await caller_for_session(session_key, slug)


def _check_csrf(request: Request) -> None:
    """Django's own check, on the headers alone: it reads no body and no database."""
    middleware = CsrfViewMiddleware(lambda _: HttpResponse())
    django_request = ASGIRequest(dict(request.scope), BytesIO())
    middleware.process_request(django_request)
    if middleware.process_view(django_request, lambda _: HttpResponse(), (), {}) is not None:
        raise PermissionDenied(
            "The page is out of date: reload it and ask again.", code="csrf_failed"
        )

"""The API's common ground: one error shape, pages, scopes, the tenant in force."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import exceptions
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import BasePermission
from rest_framework.response import Response
from rest_framework.views import APIView
from structlog.contextvars import bind_contextvars, get_contextvars

from ragadmin.errors import InvalidRequest, NotFound, PermissionDenied, RagadminError
from ragadmin.hot_schema import ERROR_RESPONSE, HOT_COMPONENTS, HOT_PATHS
from tenants.config import Caller
from tenants.context import tenant_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from rest_framework.request import Request

log = structlog.get_logger("ragadmin.api")

CODES = {
    exceptions.ParseError: "invalid_json",
    exceptions.NotAuthenticated: "not_authenticated",
    exceptions.AuthenticationFailed: "not_authenticated",
    exceptions.PermissionDenied: "permission_denied",
    exceptions.NotFound: "not_found",
    exceptions.MethodNotAllowed: "method_not_allowed",
    exceptions.NotAcceptable: "not_acceptable",
    exceptions.UnsupportedMediaType: "unsupported_media_type",
    exceptions.Throttled: "rate_limited",
}


def handle_exception(error: Exception, context: dict[str, Any]) -> Response:
    """Every failure of the API, in one shape. What was not foreseen is logged, never shown."""
    status, body, headers = _describe(error)
    if status >= 500 and not isinstance(error, RagadminError):
        log.error("unexpected API error", exc_info=error)
    return Response(body, status=status, headers=headers)


def _describe(error: Exception) -> tuple[int, dict[str, Any], dict[str, str]]:
    if isinstance(error, RagadminError):
        challenge = {"WWW-Authenticate": 'Bearer realm="ragadmin"'} if error.status == 401 else {}
        return error.status, error.as_body(), {**error.headers, **challenge}
    if isinstance(error, exceptions.ValidationError):
        return 400, _invalid_fields(error).as_body(), {}
    if isinstance(error, exceptions.APIException):
        return error.status_code, _api_exception_body(error), _headers(error)
    if isinstance(error, Http404):
        return 404, NotFound("There is nothing here under this id.").as_body(), {}
    if isinstance(error, DjangoPermissionDenied):
        return 403, PermissionDenied("You may not do this.").as_body(), {}
    return 500, unexpected_body(), {}


def _invalid_fields(error: exceptions.ValidationError) -> InvalidRequest:
    """`extra.fields` has every message; the first one is also the summary."""
    fields = error.detail if isinstance(error.detail, dict) else {"non_field_errors": error.detail}
    name, messages = next(iter(fields.items()))
    first: Any = messages
    while isinstance(first, (list, dict)) and first:
        first = next(iter(first.values())) if isinstance(first, dict) else first[0]
    message = str(first) if name == "non_field_errors" else f"{name}: {first}"
    return InvalidRequest(message, extra={"fields": fields})


def _api_exception_body(error: exceptions.APIException) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if (wait := getattr(error, "wait", None)) is not None:
        extra["retry_after_seconds"] = wait
    code = CODES.get(type(error), error.default_code)
    return RagadminError(str(error.detail), code=code, extra=extra).as_body()


def _headers(error: exceptions.APIException) -> dict[str, str]:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(wait)
    return headers


def unexpected_body() -> dict[str, Any]:
    request_id = get_contextvars().get("request_id", "")
    return RagadminError(
        "Something went wrong on the server. The log has the details under this request id.",
        extra={"request_id": request_id},
    ).as_body()


class Pages(PageNumberPagination):
    page_size_query_param = "page_size"
    max_page_size = 200


def HasScope(*scopes: str) -> type[BasePermission]:
    """A permission class: the caller's key or role carries one of `scopes`."""

    class Permission(BasePermission):
        def has_permission(self, request: Request, view: APIView) -> bool:
            if not request.user:
                return False
            caller: Any = request.auth
            if caller is None:
                raise tenant_required()
            if caller.scopes.isdisjoint(scopes):
                raise PermissionDenied(
                    f"This needs the scope {' or '.join(scopes)}, which the caller does not have.",
                    code="scope_missing",
                    extra={"scopes": list(scopes)},
                )
            return True

    return Permission


def tenant_required() -> PermissionDenied:
    return PermissionDenied(
        "Say which tenant you mean: send its slug in the header X-Ragadmin-Tenant or as ?tenant=.",
        code="tenant_required",
    )


class TenantAPIView(APIView):
    """Runs its handlers with the caller's tenant in force. No tenant, no handler.

    Comes first among the bases when it is mixed into a viewset or a generic view.
    """

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not isinstance(request.auth, Caller):
            raise tenant_required()
        name = (request.method or "").lower()
        if name in self.http_method_names and hasattr(self, name):
            setattr(self, name, _inside(request.auth, getattr(self, name)))

    @property
    def caller(self) -> Caller:
        caller: Any = self.request.auth
        return caller


def _inside(caller: Caller, handler: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(handler)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        bind_contextvars(tenant=caller.tenant.slug)
        with tenant_context(caller.tenant):
            return handler(*args, **kwargs)

    return wrapper


class UnknownRoute(APIView):
    """Whatever under /api/ no other route takes."""

    authentication_classes = ()
    permission_classes = ()
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if request.path in HOT_PATHS:  # those answer their own method without Django
            raise exceptions.MethodNotAllowed(request.method or "")
        raise NotFound(
            f"There is no API route {request.path}: GET /api/docs/ lists them. Routes end with a slash."
        )


class ApiKeyScheme(OpenApiAuthenticationExtension):
    target_class = "tenants.keys.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "A tenant's or operator's key"}


class BrowserSessionScheme(OpenApiAuthenticationExtension):
    target_class = "tenants.auth.TenantSessionAuthentication"
    name = "browserSession"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "Name the tenant in the header X-Ragadmin-Tenant; writes need X-CSRFToken",
        }


def is_api(request: HttpRequest) -> bool:
    return request.path.startswith(("/api/", "/v1/"))


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_api(request):
        return JsonResponse(NotFound("There is nothing here.").as_body(), status=404)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    if is_api(request):
        return JsonResponse(unexpected_body(), status=500)
    return defaults.server_error(request)


def add_hot_routes(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """The hot routes are not DRF views, so their part of the document is written by hand.

    Every other operation is given the one shape that its errors have.
    """
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"].setdefault("default", ERROR_RESPONSE)
    for path, operations in HOT_PATHS.items():
        result["paths"].setdefault(path, {}).update(operations)
    result["paths"] = dict(sorted(result["paths"].items()))
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(HOT_COMPONENTS)
    return result

"""What Prometheus scrapes."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.exposition import choose_encoder

from monitoring.prometheus import fleet_registry
from ragadmin.errors import NotAuthenticated, PermissionDenied, RagadminError
from tenants.access import OperatorCaller, caller_of_key
from tenants.keys import find_key, note_use

if TYPE_CHECKING:
    from django.http import HttpRequest


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """For an operator's key, METRICS_TOKEN, or an operator's session."""
    try:
        _let_in(request)
    except RagadminError as error:
        response = JsonResponse(error.as_body(), status=error.status)
        if isinstance(error, NotAuthenticated):
            response["WWW-Authenticate"] = 'Bearer realm="ragadmin"'
        return response
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(fleet_registry()), content_type=content_type)


def _let_in(request: HttpRequest) -> None:
    """Raises NotAuthenticated, PermissionDenied."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    key = key.strip()
    if scheme.lower() == "bearer" and key:
        if settings.METRICS_TOKEN and hmac.compare_digest(
            key.encode(), settings.METRICS_TOKEN.encode()
        ):
            return
        row = find_key(key)
        if not isinstance(caller_of_key(row), OperatorCaller):
            raise PermissionDenied(
                "Metrics are of the whole installation: use an operator's key, or METRICS_TOKEN.",
                code="scope_missing",
            )
        note_use(row)
    elif not getattr(request.user, "is_operator", False):
        raise NotAuthenticated(
            "Send an operator's key, or METRICS_TOKEN, as Authorization: Bearer …."
        )

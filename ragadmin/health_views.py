"""For load balancers and supervisors: is the process alive, and can it serve?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from ragadmin.health import run_readiness_checks

if TYPE_CHECKING:
    from django.http import HttpRequest


@require_safe
@never_cache
def live(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"live": True})


@require_safe
@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """Tells strangers which service is away, but nothing about it."""
    checks = run_readiness_checks()
    is_ready = all(check.ok for check in checks)
    body = {"ready": is_ready, "checks": {check.name: check.ok for check in checks}}
    return JsonResponse(body, status=200 if is_ready else 503)

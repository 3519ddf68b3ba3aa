"""What is kept to be answered again: switches, figures, and giving all of it up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from retrieval.cache_view import DAYS, cache_figures
from retrieval.services.empty_cache import count_cache, empty_cache
from tenants.access import TenantHttpRequest, tenant_config, tenant_page
from tenants.query_forms import CACHE
from tenants.views.answers import go_to
from tenants.views.query_settings import edit_query_settings

if TYPE_CHECKING:
    from django.http import HttpResponse

PAGE = "settings-cache"


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_page("admin")
def cache_settings(request: TenantHttpRequest, slug: str) -> HttpResponse:
    config = tenant_config(request.tenant)
    is_raised = config.similarity_threshold > config.query.similarity_threshold
    context = {
        "section": "cache",
        "figures": cache_figures(request.tenant),
        "days": DAYS,
        "raised": config.similarity_threshold if is_raised else None,
    }
    return edit_query_settings(
        request, page=PAGE, template="retrieval/settings_cache.html", groups=CACHE, context=context
    )


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@tenant_page("admin")
def empty(request: TenantHttpRequest, slug: str) -> HttpResponse:
    """Counts first."""
    if request.method != "POST":
        context = {"section": "cache", "counts": count_cache(request.tenant)}
        return render(request, "retrieval/settings_cache_empty.html", context)
    counts = empty_cache(tenant=request.tenant, actor=request.user)
    answers = "1 answer is" if counts.entries == 1 else f"{counts.entries} answers are"
    said = f"{answers} given up. Every question is answered in full again."
    if counts.prompts is None:
        messages.warning(request, f"{said} Redis is away, so the model cache is as it was.")
    else:
        messages.success(request, said)
    return go_to(request, PAGE, slug)

"""Where documents come from: the list of sources, and one source with what can be done to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Sum
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ragadmin.errors import Conflict, RagadminError
from retrieval.models import Document, Source, SyncRun
from retrieval.run_figures import list_rows
from retrieval.services.sources import delete_source, pause_source, resume_source
from retrieval.services.sync_runs import start_sync
from retrieval.source_view import KINDS, view_sources
from retrieval.sync_selectors import find_source, visible_runs, visible_sources
from retrieval.views.fragments import render_page_or_part
from tenants.access import TenantHttpRequest, tenant_page

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django.http import HttpResponse

ON_A_PAGE = 25
RUNS_ON_A_PAGE = 15


@require_safe
@tenant_page(role="admin")
def list_sources(request: TenantHttpRequest, slug: str) -> HttpResponse:
    found = visible_sources(request.access_levels).order_by("name", "id")
    page = Paginator(found, ON_A_PAGE).get_page(request.GET.get("page"))
    views = view_sources(list(page))
    context = {
        "page": page,
        "sources": views,
        "kinds": KINDS.values(),
        "is_syncing": any(view.is_syncing for view in views),
    }
    return render_page_or_part(
        request,
        "retrieval/sources.html",
        part="retrieval/_sources.html",
        target="sources",
        context=context,
    )


@require_safe
@tenant_page(role="admin")
def show_source(request: TenantHttpRequest, slug: str, source_id: UUID) -> HttpResponse:
    source = find_source(source_id, request.access_levels)
    runs = visible_runs(request.access_levels).filter(source=source)
    view = view_sources([source])[0]
    page = Paginator(runs, RUNS_ON_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "view": view,
        "is_syncing": view.is_syncing,
        "page": page,
        "rows": list_rows(page, request.tenant),
        **_count_rest(source),
    }
    return render_page_or_part(
        request,
        "retrieval/source.html",
        part="retrieval/_source.html",
        target="source",
        context=context,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_page(role="admin")
def delete(request: TenantHttpRequest, slug: str, source_id: UUID) -> HttpResponse:
    source = find_source(source_id, request.access_levels)
    if request.method == "POST":
        count = delete_source(tenant=request.tenant, source_id=source.pk, actor=str(request.user))
        documents = f"{count:,} document{'' if count == 1 else 's'}"
        messages.success(request, f"{source.name} was deleted, with {documents}.")
        return redirect("sources", slug)
    view = view_sources([source])[0]
    context = {"view": view, **_count_rest(source)}
    return render(request, "retrieval/delete_source.html", context)


@require_POST
@tenant_page(role="admin")
def sync(request: TenantHttpRequest, slug: str, source_id: UUID) -> HttpResponse:
    source = find_source(source_id, request.access_levels)
    return begin_run(
        request,
        source,
        dry_run=bool(request.POST.get("dry_run")),
        full_check=bool(request.POST.get("full_check")),
    )


@require_POST
@tenant_page(role="admin")
def pause(request: TenantHttpRequest, slug: str, source_id: UUID) -> HttpResponse:
    said = "{} is paused: it is synced by hand only, until you resume it."
    return _change(request, source_id, pause_source, said)


@require_POST
@tenant_page(role="admin")
def resume(request: TenantHttpRequest, slug: str, source_id: UUID) -> HttpResponse:
    return _change(request, source_id, resume_source, "{} is synced on its schedule again.")


def begin_run(
    request: TenantHttpRequest, source: Source, *, dry_run: bool, full_check: bool = False
) -> HttpResponse:
    """Leads to the new run, or to the one that is not over."""
    slug = request.tenant.slug
    try:
        run = start_sync(
            tenant=request.tenant,
            source_id=source.pk,
            trigger=SyncRun.Trigger.MANUAL,
            actor=str(request.user),
            dry_run=dry_run,
            full_check=full_check,
        )
    except RagadminError as error:
        messages.warning(request, error.message)
        runs = visible_runs(request.access_levels).filter(source=source, status__in=SyncRun.OPEN)
        run = runs.first() if isinstance(error, Conflict) else None
        if run is None:
            return redirect("source", slug, source.pk)
    return redirect("sync-run", slug, run.pk)


def _change(
    request: TenantHttpRequest, source_id: UUID, change: Callable[..., Any], said: str
) -> HttpResponse:
    source = find_source(source_id, request.access_levels)
    try:
        change(tenant=request.tenant, source_id=source.pk, actor=str(request.user))
        messages.success(request, said.format(source.name))
    except RagadminError as error:
        messages.warning(request, error.message)
    if request.POST.get("back") == "list":
        return redirect("sources", request.tenant.slug)
    return redirect("source", request.tenant.slug, source.pk)


def _count_rest(source: Source) -> dict[str, int]:
    current = Document.objects.filter(source=source).aggregate(passages=Sum("chunk_count"))
    return {
        "passages": current["passages"] or 0,
        "kept": Document.kept.filter(source=source).count(),
    }

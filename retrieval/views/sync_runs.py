"""Sync runs: the list over all sources, and one run with its progress, its paths and its undoing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import trigger_client_event

from ragadmin.errors import RagadminError
from retrieval.indexing.run_paths import KINDS
from retrieval.models import SyncRun
from retrieval.run_figures import WAITING, Count, list_rows
from retrieval.run_filters import PathFilter, RunFilter
from retrieval.run_path_list import link_paths, list_paths
from retrieval.run_view import count_kept, view_run
from retrieval.services.schedules import schedules_of
from retrieval.services.sync_runs import cancel_run, confirm_run, retry_run, undo_run, why_not_undo
from retrieval.sync_selectors import find_run, visible_runs, visible_sources
from retrieval.views.fragments import render_page_or_part
from tenants.access import TenantHttpRequest, tenant_page

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django.http import HttpResponse

ON_A_PAGE = 25
PATHS_ON_A_PAGE = 25
PATHS_CHANGED = "paths-changed"


@require_safe
@tenant_page(role="admin")
def list_runs(request: TenantHttpRequest, slug: str) -> HttpResponse:
    sources = visible_sources(request.access_levels).order_by("name", "id")
    filters = RunFilter(request.GET, sources=sources)
    visible = visible_runs(request.access_levels)
    page = Paginator(filters.apply(visible), ON_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "filters": filters,
        "page": page,
        "rows": list_rows(page, request.tenant),
        "is_unused": not page.object_list and not filters.is_used and not visible.exists(),
        "is_syncing": any(run.status in WAITING for run in page),
    }
    return render_page_or_part(
        request,
        "retrieval/sync_runs.html",
        part="retrieval/_sync_runs.html",
        target="sync-runs",
        context=context,
    )


@require_safe
@tenant_page(role="admin")
def show_run(request: TenantHttpRequest, slug: str, run_id: UUID) -> HttpResponse:
    """The page; or of a page that is open what has changed: the run, or the paths behind a count."""
    run = find_run(run_id, request.access_levels)
    if request.htmx.target == "paths" and not request.htmx.history_restore_request:
        return render(request, "retrieval/_sync_run_paths.html", _paths(request, run))
    view = view_run(run, request.tenant, request.access_levels)
    context: dict[str, Any] = {"view": view, "run": run, "told": request.GET.get("told", "")}
    if request.htmx.target == "run" and not request.htmx.history_restore_request:
        response = render(request, "retrieval/_sync_run.html", context)
        has_news = request.GET.get("paths") != view.path_state
        return trigger_client_event(response, PATHS_CHANGED) if has_news else response
    return render(request, "retrieval/sync_run.html", context | _paths(request, run))


@require_POST
@tenant_page(role="admin")
def confirm(request: TenantHttpRequest, slug: str, run_id: UUID) -> HttpResponse:
    return _change(request, run_id, confirm_run, "Confirmed. The run goes on.")


@require_POST
@tenant_page(role="admin")
def cancel(request: TenantHttpRequest, slug: str, run_id: UUID) -> HttpResponse:
    return _change(request, run_id, cancel_run, "")


@require_POST
@tenant_page(role="admin")
def retry(request: TenantHttpRequest, slug: str, run_id: UUID) -> HttpResponse:
    return _change(request, run_id, retry_run, "")


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_page(role="admin")
def undo(request: TenantHttpRequest, slug: str, run_id: UUID) -> HttpResponse:
    if request.method == "POST":
        return _change(request, run_id, undo_run, "The run was undone.")
    run = find_run(run_id, request.access_levels)
    context = {
        "run": run,
        "kept": count_kept(run),
        "why_not": why_not_undo(run),
        "schedule": schedules_of([run.source_id]).get(run.source_id),
    }
    return render(request, "retrieval/undo_sync_run.html", context)


def _change(
    request: TenantHttpRequest, run_id: UUID, change: Callable[..., Any], said: str
) -> HttpResponse:
    """Then shows the run, or the new one that came of it."""
    run = find_run(run_id, request.access_levels)
    try:
        result = change(tenant=request.tenant, run_id=run.pk, actor=str(request.user))
    except RagadminError as error:
        messages.warning(request, error.message)
        return redirect("sync-run", request.tenant.slug, run.pk)
    if said:
        messages.success(request, said)
    shown = result if isinstance(result, SyncRun) else run
    return redirect("sync-run", request.tenant.slug, shown.pk)


def _paths(request: TenantHttpRequest, run: SyncRun) -> dict[str, Any]:
    filters = PathFilter(request.GET, run=run)
    found = list_paths(run, filters.kind, request.access_levels)
    page = Paginator(filters.apply(found), PATHS_ON_A_PAGE).get_page(request.GET.get("page"))
    return {
        "run": run,
        "path_filters": filters,
        "path_page": page,
        "path_total": len(found),
        "path_tabs": [Count(kind, filters.count(kind)) for kind in KINDS],
        "path_has_notes": any(row.note or row.code for row in page),
        "path_rows": link_paths(run, list(page), request.access_levels),
    }

"""The documents of a tenant: the list, upload, retry and delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import trigger_client_event

from ragadmin.errors import Conflict, InvalidRequest, NotFound, RagadminError
from retrieval.forms import DocumentFilter
from retrieval.models import Document
from retrieval.services.documents import (
    Upload,
    UploadResult,
    delete_document,
    retry_document,
    store_upload,
)
from retrieval.views.fragments import render_page_or_part
from tenants.access import TenantHttpRequest, has_role, tenant_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from django.core.files.uploadedfile import UploadedFile

ON_A_PAGE = 25
COLUMNS = (
    ("path", "Document"),
    ("status", "Status"),
    ("", "Access"),
    ("size", "Size"),
    ("chunks", "Passages"),
    ("updated", "Updated"),
)
NUMERIC = {"size", "chunks"}
UNFINISHED = (Document.Status.QUEUED, Document.Status.INDEXING)
CHANGED = "documents-changed"
SAID = {
    UploadResult.NEW: "{} was uploaded and waits to be indexed.",
    UploadResult.REPLACED: "{} was replaced and waits to be indexed.",
    UploadResult.UNCHANGED: "{} is unchanged: the same file is here already.",
}


@require_safe
@tenant_page()
def list_documents(request: TenantHttpRequest, slug: str) -> HttpResponse:
    filters = DocumentFilter(request.GET, access_levels=request.access_levels)
    counts = _count_by_status(filters)
    context = {
        "filters": filters,
        "page": Paginator(filters.documents(), ON_A_PAGE).get_page(request.GET.get("page")),
        "columns": list(_columns(request, filters)),
        "counts": counts,
        "total": sum(counts.values()),
        "unfinished": sum(counts.get(status, 0) for status in UNFINISHED),
        "can_edit": has_role(request.role, "admin"),
        "max_upload_bytes": settings.MAX_UPLOAD_BYTES,
    }
    return render_page_or_part(
        request,
        "retrieval/documents.html",
        part="retrieval/_documents.html",
        target="documents",
        context=context,
    )


@require_POST
@tenant_page(role="admin")
def upload_documents(request: TenantHttpRequest, slug: str) -> HttpResponse:
    """One answer per file, so that a bad file does not take the good ones down with it."""
    files = request.FILES.getlist("file")
    results = [_store(request, file) for file in files]
    if request.headers.get("Accept") == "application/json":
        return _as_json(results)
    if not files:
        messages.error(request, "No file was chosen: choose one or more files, then upload.")
    for result in results:
        if isinstance(result, Upload):
            messages.success(request, SAID[result.result].format(result.document.path))
        else:
            messages.error(request, result.message)
    return redirect("documents", slug)


@require_POST
@tenant_page(role="admin")
def retry(request: TenantHttpRequest, slug: str, document_id: UUID) -> HttpResponse:
    document = find_document(request, document_id)
    message, level = f"{document.path} will be indexed again.", "success"
    try:
        retry_document(tenant=request.tenant, document_id=document.id)
    except Conflict as error:
        message, level = error.message, "warning"
    if request.htmx:
        toast = {"message": message, "level": level}
        response = trigger_client_event(HttpResponse(status=204), "toast", toast)
        return trigger_client_event(response, CHANGED)
    messages.add_message(request, messages.DEFAULT_LEVELS[level.upper()], message)
    return redirect("document", slug, document_id)


@require_http_methods(["GET", "POST"])
@tenant_page(role="admin")
def delete(request: TenantHttpRequest, slug: str, document_id: UUID) -> HttpResponse:
    document = find_document(request, document_id)
    if request.method == "POST":
        delete_document(tenant=request.tenant, document_id=document.id)
        messages.success(request, f"{document.path} was deleted.")
        return redirect("documents", slug)
    return render_page_or_part(
        request,
        "retrieval/delete_document.html",
        part="retrieval/_delete_document.html",
        target="dialog",
        context={"document": document},
    )


def find_document(request: TenantHttpRequest, document_id: UUID) -> Document:
    """Raises NotFound also for what is above the person's access levels."""
    found = Document.objects.filter(id=document_id, access_level__in=request.access_levels)
    document = found.defer("markdown").first()
    if document is None:
        raise NotFound("There is no such document, or you may not see it.")
    return document


def _count_by_status(filters: DocumentFilter) -> dict[str, int]:
    rows = filters.visible().order_by().values_list("status").annotate(Count("id"))
    return dict(rows)


def _columns(request: TenantHttpRequest, filters: DocumentFilter) -> Iterator[dict[str, Any]]:
    query = {name: value for name, value in request.GET.items() if value and name != "page"}
    for name, label in COLUMNS:
        is_sorted = bool(name) and filters.sort.removeprefix("-") == name
        descending = filters.sort.startswith("-")
        turned = name if not is_sorted or descending else f"-{name}"
        yield {
            "label": label,
            "url": "?" + urlencode(query | {"sort": turned}) if name else "",
            "order": ("descending" if descending else "ascending") if is_sorted else "",
            "numeric": name in NUMERIC,
        }


def _store(request: TenantHttpRequest, file: UploadedFile) -> Upload | RagadminError:
    try:
        return store_upload(
            tenant=request.tenant,
            file=file,
            path=request.POST.get("path") or file.name or "",
            access_level=request.POST.get("access_level", ""),
            uploaded_by=request.user,
            allowed_levels=request.access_levels,
        )
    except RagadminError as error:
        return error


def _as_json(results: list[Upload | RagadminError]) -> JsonResponse:
    """The answer of POST /api/v1/documents/, or its error: the page sends one file at a time."""
    for result in results:
        if isinstance(result, RagadminError):
            return JsonResponse(result.as_body(), status=result.status)
    stored = [result.as_json() for result in results if isinstance(result, Upload)]
    if not stored:
        error = InvalidRequest(
            "No file was sent: choose one or more files.", extra={"field": "file"}
        )
        return JsonResponse(error.as_body(), status=error.status)
    return JsonResponse({"documents": stored}, status=202)

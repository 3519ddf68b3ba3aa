"""The documents of a tenant: the list, upload, retry and delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import trigger_client_event

from ragadmin.errors import Conflict, InvalidRequest, NotFound, RagadminError
from retrieval.connectors.upload import UploadConnector
from retrieval.document_list import count_documents, find_page
from retrieval.document_view import UNFINISHED, reason_label, time_left, view_documents
from retrieval.forms import PAGE_SIZES, DocumentFilter
from retrieval.indexing import ocr
from retrieval.indexing.place_in_line import finish_estimate
from retrieval.models import Document, Source
from retrieval.names import PICTURE_SUFFIXES, UNREADABLE_SUFFIXES
from retrieval.selectors import filter_documents, visible_documents
from retrieval.services.documents import (
    UPLOADS,
    Upload,
    UploadResult,
    delete_document,
    refuse_synced,
    retry_document,
    store_upload,
)
from retrieval.views.fragments import render_page_or_part
from tenants.access import TenantHttpRequest, has_role, tenant_page

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.core.files.uploadedfile import UploadedFile
    from django.core.paginator import Page

    from retrieval.document_list import Counts

COLUMNS = (
    ("path", "Document"),
    ("", "Status"),
    ("", "Source"),
    ("", "Access"),
    ("size", "Size"),
    ("chunks", "Passages"),
    ("updated", "Updated"),
)
NUMERIC = {"size", "chunks"}
# Parts of the address that stand outside the form of filters.
KEPT = ("status", "sort", "size")
NO_MATCH = "No document has these words, this status, source, access level and reason together."
# Seconds between two looks of a page at a list in which something goes on.
POLL_SECONDS, POLL_SECONDS_OF_MANY, MANY = 1.5, 5, 200
CHANGED = "documents-changed"
SAID = {
    UploadResult.NEW: "{} was uploaded and waits to be indexed.",
    UploadResult.REPLACED: "{} was replaced and waits to be indexed.",
    UploadResult.UNCHANGED: "{} is unchanged: the same file is here already.",
}


@require_safe
@tenant_page()
def list_documents(request: TenantHttpRequest, slug: str) -> HttpResponse:
    counts = count_documents(request.access_levels)
    sources = _sources(request)
    filters = read_filter(request, counts, sources)
    page = _find_page(request, filters, counts)
    unfinished = sum(counts.count(status=status) for status in UNFINISHED)
    estimate = finish_estimate(request.tenant) if unfinished else None
    context = {
        "filters": filters,
        "page": page,
        "views": view_documents(page.object_list, request.access_levels),
        "columns": list(_columns(request, filters)),
        "tabs": list(_tabs(request, filters, counts)),
        "counts": counts.by("status"),
        "total": counts.count(),
        "unfinished": unfinished,
        "estimate": estimate,
        "time_left": time_left(estimate.seconds_left) if estimate else "",
        "poll_seconds": POLL_SECONDS if unfinished < MANY else POLL_SECONDS_OF_MANY,
        "page_sizes": PAGE_SIZES,
        "kept": [(name, request.GET[name]) for name in KEPT if request.GET.get(name)],
        "filter_query": urlencode(filters.wanted()),
        "address": request.GET.urlencode(),
        "no_match": NO_MATCH,
        "can_edit": has_role(request.role, "admin"),
        "upload_sources": _upload_sources(sources),
        "max_upload_bytes": settings.MAX_UPLOAD_BYTES,
        "unreadable": " ".join(sorted(_unreadable())),
    }
    return render_page_or_part(
        request,
        "retrieval/documents.html",
        part="retrieval/_documents.html",
        target="documents",
        context=context,
    )


def _upload_sources(sources: Sequence[Source]) -> list[tuple[str, str]]:
    """The one that is used by default comes first."""
    found = [each for each in sources if each.kind == UploadConnector.kind]
    found.sort(key=lambda source: (source.name != UPLOADS, source.name))
    return [(str(source.pk), source.name) for source in found]


def _unreadable() -> frozenset[str]:
    return UNREADABLE_SUFFIXES if ocr.is_available() else UNREADABLE_SUFFIXES | PICTURE_SUFFIXES


def read_filter(
    request: TenantHttpRequest, counts: Counts, sources: Sequence[Source] | None = None
) -> DocumentFilter:
    """Of the address, also of a form that is sent to it."""
    sources = _sources(request) if sources is None else sources
    reasons = {code: reason_label(code) for code in counts.by("error_code") if code}
    return DocumentFilter(
        request.GET,
        access_levels=request.access_levels,
        sources={str(source.pk): source.name for source in sources},
        reasons=dict(sorted(reasons.items(), key=lambda pair: pair[1])),
    )


def _sources(request: TenantHttpRequest) -> list[Source]:
    seen = Q(access_level__in=request.access_levels) | Q(access_level="")
    return list(Source.objects.filter(seen).order_by("name").only("name", "kind"))


def _find_page(request: TenantHttpRequest, filters: DocumentFilter, counts: Counts) -> Page:
    wanted = filters.wanted()
    found = filter_documents(visible_documents(request.access_levels), wanted)
    return find_page(
        found,
        sort=filters.sort,
        number=request.GET.get("page", "1"),
        size=filters.size,
        count=None if "q" in wanted else counts.count(**wanted),
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
    try:
        refuse_synced(document)
        if request.method == "POST":
            delete_document(tenant=request.tenant, document_id=document.id)
            messages.success(request, f"{document.path} was deleted.")
            return redirect("documents", slug)
    except Conflict as error:
        messages.warning(request, error.message)
        return redirect("document", slug, document_id)
    return render_page_or_part(
        request,
        "retrieval/delete_document.html",
        part="retrieval/_delete_document.html",
        target="dialog",
        context={"document": document},
    )


def find_document(request: TenantHttpRequest, document_id: UUID) -> Document:
    """Raises NotFound also for what is above the person's access levels."""
    found = visible_documents(request.access_levels).filter(pk=document_id)
    document = found.select_related("source").first()
    if document is None:
        raise NotFound("There is no such document, or you may not see it.")
    return document


def _tabs(
    request: TenantHttpRequest, filters: DocumentFilter, counts: Counts
) -> Iterator[dict[str, Any]]:
    """By status. What is searched for by words is not counted for each: it would be looked for anew."""
    others = {name: value for name, value in filters.wanted().items() if name != "status"}
    known = others.keys() <= {"source", "access_level", "error_code"}
    by_status = counts.by("status", **others) if known else {}
    chosen = filters.value("status")
    for status in ("", *Document.Status.values):
        yield {
            "label": status.capitalize() or "All",
            "count": (by_status.get(status, 0) if status else sum(by_status.values()))
            if known
            else None,
            "url": _address(request, status=status),
            "is_current": status == chosen,
        }


def _columns(request: TenantHttpRequest, filters: DocumentFilter) -> Iterator[dict[str, Any]]:
    for name, label in COLUMNS:
        is_sorted = bool(name) and filters.sort.removeprefix("-") == name
        descending = filters.sort.startswith("-")
        turned = name if not is_sorted or descending else f"-{name}"
        yield {
            "name": label.lower(),
            "label": label,
            "url": _address(request, sort=turned) if name else "",
            "order": ("descending" if descending else "ascending") if is_sorted else "",
            "numeric": name in NUMERIC,
        }


def _address(request: TenantHttpRequest, **changes: str) -> str:
    """This list from its first page, with something else."""
    values = request.GET.dict() | changes
    kept = {name: value for name, value in values.items() if value and name != "page"}
    return "?" + urlencode(kept)


def _store(request: TenantHttpRequest, file: UploadedFile) -> Upload | RagadminError:
    try:
        return store_upload(
            tenant=request.tenant,
            file=file,
            path=request.POST.get("path") or file.name or "",
            access_level=request.POST.get("access_level", ""),
            uploaded_by=request.user,
            allowed_levels=request.access_levels,
            source_id=_source_id(request),
        )
    except RagadminError as error:
        return error


def _source_id(request: TenantHttpRequest) -> UUID | None:
    value = request.POST.get("source", "")
    try:
        return UUID(value) if value else None
    except ValueError:
        raise InvalidRequest("source is the id of a source.", extra={"field": "source"}) from None


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

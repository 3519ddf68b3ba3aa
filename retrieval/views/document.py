"""One document: its facts, its state, its passages and its text, its original."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from django.core.files.storage import default_storage
from django.core.paginator import Paginator
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ragadmin.downloads import attachment
from ragadmin.errors import NotFound
from retrieval.connectors.base import Connector
from retrieval.connectors.registry import connector_class, open_connector
from retrieval.document_text import TextPages
from retrieval.document_view import time_left, view_document
from retrieval.indexing.place_in_line import finish_estimate, place_in_line
from retrieval.models import Document
from retrieval.rendering import render_passage
from retrieval.selectors import searched_chunks
from retrieval.sync_selectors import visible_runs
from retrieval.views.documents import find_document
from tenants.access import TenantHttpRequest, has_role, tenant_page

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet
    from django.http import HttpResponse
    from django.http.response import HttpResponseBase

    from retrieval.document_view import DocumentView
    from retrieval.models import Chunk

PASSAGES_ON_A_PAGE = 20
TEXT = "text"
DID = {"add": "added", "update": "updated", "rename": "renamed", "unchanged": "unchanged"}


@require_safe
@tenant_page()
def show_document(request: TenantHttpRequest, slug: str, document_id: UUID) -> HttpResponse:
    """`?chunk=` opens the page that holds the passage and marks it; `?view=text` the whole text."""
    document = find_document(request, document_id)
    view = view_document(document, request.access_levels)
    wants_text = request.GET.get("view") == TEXT
    context = {
        "document": document,
        "view": view,
        "shows_text": wants_text,
        "can_edit": has_role(request.role, "admin"),
        **_place(request, view),
        **_origin(request, view),
        **(_text_page(request, document) if wants_text else _passage_page(request, document)),
    }
    return render(request, "retrieval/document.html", context)


@require_safe
@tenant_page()
def download_document(request: TenantHttpRequest, slug: str, document_id: UUID) -> HttpResponseBase:
    document = find_document(request, document_id)
    if not document.storage_key:
        raise NotFound("The original of this document is in its source and not stored here.")
    try:
        file = default_storage.open(document.storage_key)
    except FileNotFoundError:
        raise NotFound("The original of this document is no longer stored.") from None
    return attachment(request, file, PurePosixPath(document.path).name)


def _place(request: TenantHttpRequest, view: DocumentView) -> dict[str, Any]:
    """Where it stands in line, while it waits."""
    if view.document.status != Document.Status.QUEUED:
        return {}
    estimate = finish_estimate(request.tenant)
    return {
        "place": place_in_line(request.tenant, view.document.pk),
        "time_left": time_left(estimate.seconds_left),
    }


def _origin(request: TenantHttpRequest, view: DocumentView) -> dict[str, Any]:
    document = view.document
    if not view.is_synced:
        return {}
    run = None
    if document.sync_run_id:
        run = visible_runs(request.access_levels).filter(pk=document.sync_run_id).first()
    return {"original": _link(document), "run": run, "run_action": DID.get(document.sync_action)}


def _link(document: Document) -> str:
    """Where people can see the original; empty where there is no such place."""
    source = document.source
    if connector_class(source.kind).link_to is Connector.link_to:
        return ""
    connector = open_connector(source.kind, source.config, {})
    link = connector.link_to(document.external_id)
    connector.close()
    return link if link.startswith(("https://", "http://")) else ""


def _text_page(request: TenantHttpRequest, document: Document) -> dict[str, Any]:
    markdown = Document.objects.values_list("markdown", flat=True).get(pk=document.pk)
    page = Paginator(TextPages(markdown), 1).get_page(request.GET.get("page"))
    return {"page": page, "text": render_passage("".join(page.object_list))}


def _passage_page(request: TenantHttpRequest, document: Document) -> dict[str, Any]:
    passages = _passages(document)
    wanted = _find_passage(passages, request.GET.get("chunk", ""))
    number = _page_of(passages, wanted) if wanted else request.GET.get("page")
    page = Paginator(passages, PASSAGES_ON_A_PAGE).get_page(number)
    return {
        "page": page,
        "passages": [(passage, render_passage(passage.text)) for passage in page],
        "marked": wanted.id if wanted else None,
        "passage_is_gone": bool(request.GET.get("chunk")) and wanted is None,
    }


def _passages(document: Document) -> QuerySet[Chunk]:
    chunks = searched_chunks().filter(document=document).order_by("ordinal")
    return chunks.only("id", "ordinal", "text", "heading_path", "token_count", "generation")


def _find_passage(passages: QuerySet[Chunk], chunk_id: str) -> Chunk | None:
    # 18 digits fit a bigint: more would be the database's error instead of a passage not found.
    if not (chunk_id.isascii() and chunk_id.isdigit() and len(chunk_id) <= 18):
        return None
    return passages.filter(id=int(chunk_id)).first()


def _page_of(passages: QuerySet[Chunk], passage: Chunk) -> int:
    return passages.filter(ordinal__lt=passage.ordinal).count() // PASSAGES_ON_A_PAGE + 1

"""One document: its facts, its error, its passages, its original."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from django.core.files.storage import default_storage
from django.core.paginator import Paginator
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ragadmin.downloads import attachment
from ragadmin.errors import NotFound
from retrieval.rendering import render_passage
from retrieval.selectors import searched_chunks
from retrieval.views.documents import UNFINISHED, find_document
from tenants.access import TenantHttpRequest, has_role, tenant_page

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet
    from django.http import HttpResponse
    from django.http.response import HttpResponseBase

    from retrieval.models import Chunk, Document

PASSAGES_ON_A_PAGE = 20


@require_safe
@tenant_page()
def show_document(request: TenantHttpRequest, slug: str, document_id: UUID) -> HttpResponse:
    """`?chunk=` opens the page that holds the passage and marks it."""
    document = find_document(request, document_id)
    passages = _passages(document)
    wanted = _find_passage(passages, request.GET.get("chunk", ""))
    number = _page_of(passages, wanted) if wanted else request.GET.get("page")
    page = Paginator(passages, PASSAGES_ON_A_PAGE).get_page(number)
    context = {
        "document": document,
        "page": page,
        "passages": [(passage, render_passage(passage.text)) for passage in page],
        "marked": wanted.id if wanted else None,
        "passage_is_gone": bool(request.GET.get("chunk")) and wanted is None,
        "is_unfinished": document.status in UNFINISHED,
        "can_edit": has_role(request.role, "admin"),
    }
    return render(request, "retrieval/document.html", context)


@require_safe
@tenant_page()
def download_document(request: TenantHttpRequest, slug: str, document_id: UUID) -> HttpResponseBase:
    document = find_document(request, document_id)
    try:
        file = default_storage.open(document.storage_key)
    except FileNotFoundError:
        raise NotFound("The original of this document is no longer stored.") from None
    return attachment(request, file, PurePosixPath(document.path).name)


def _passages(document: Document) -> QuerySet[Chunk]:
    chunks = searched_chunks().filter(document=document).order_by("ordinal")
    return chunks.only("id", "ordinal", "text", "heading_path", "token_count")


def _find_passage(passages: QuerySet[Chunk], chunk_id: str) -> Chunk | None:
    # 18 digits fit a bigint: more would be the database's error instead of a passage not found.
    if not (chunk_id.isascii() and chunk_id.isdigit() and len(chunk_id) <= 18):
        return None
    return passages.filter(id=int(chunk_id)).first()


def _page_of(passages: QuerySet[Chunk], passage: Chunk) -> int:
    return passages.filter(ordinal__lt=passage.ordinal).count() // PASSAGES_ON_A_PAGE + 1

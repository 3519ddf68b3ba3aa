"""Reads of documents, always within the access levels of the one who asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q

from ragadmin.errors import InvalidRequest, NotFound
from retrieval.models import Chunk, Document
from tenants.context import current_tenant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from django.db.models import QuerySet


def visible_documents(access_levels: Sequence[str]) -> QuerySet[Document]:
    """Newest first, without their text, which may be megabytes."""
    found = Document.objects.filter(access_level__in=access_levels)
    return found.defer("markdown").order_by("-created_at", "id")


def find_document(document_id: UUID, access_levels: Sequence[str]) -> Document:
    """Raises NotFound, also for one out of sight."""
    document = visible_documents(access_levels).filter(pk=document_id).first()
    if document is None:
        raise NotFound("There is no document with this id, or you may not see it.")
    return document


def filter_documents(
    documents: QuerySet[Document], wanted: Mapping[str, str]
) -> QuerySet[Document]:
    """By `status`, `source` (its id), `access_level`, `error_code` and `q`. Raises InvalidRequest."""
    if "\0" in "".join(wanted.values()):
        raise InvalidRequest("A filter holds a NUL character: leave it out.")
    status = wanted.get("status", "")
    if status and status not in Document.Status.values:
        choices = ", ".join(Document.Status.values)
        raise InvalidRequest(f"status is one of {choices}.", extra={"field": "status"})
    for name in ("status", "source", "access_level", "error_code"):
        if value := wanted.get(name):
            documents = documents.filter(**{name: value})
    if words := wanted.get("q"):
        documents = documents.filter(Q(path__icontains=words) | Q(title__icontains=words))
    return documents


def searched_chunks() -> QuerySet[Chunk]:
    """Of the tenant in force, without those of a generation that is being made or was replaced."""
    return Chunk.objects.filter(generation=current_tenant().generation)


def list_chunks(document: Document, access_levels: Sequence[str]) -> QuerySet[Chunk]:
    found = searched_chunks().filter(document=document, access_level__in=access_levels)
    return found.defer("embedding", "terms", "term_weights").order_by("ordinal")

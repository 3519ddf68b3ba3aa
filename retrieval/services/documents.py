"""Writes to documents: upload, delete, try again."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Any

from django.db import transaction

from ragadmin.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from retrieval import tasks
from retrieval.connectors.upload import UploadConnector
from retrieval.indexing import files, queue, store
from retrieval.models import Document, Source
from retrieval.services.paths import clean_path
from tenants.context import tenant_context

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from django.db.models import QuerySet

    from retrieval.indexing.files import StoredFile
    from tenants.context import TenantLike
    from tenants.models import User


UPLOADS = "Uploads"
OTHER_UPLOADS = "Uploaded files"


class UploadResult(StrEnum):
    NEW = "new"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Upload:
    """The document that a file became, and what that meant for it."""

    document: Document
    result: UploadResult

    def as_json(self) -> dict[str, str]:
        row = self.document
        return {
            "id": str(row.pk),
            "path": row.path,
            "status": row.status,
            "result": self.result.value,
        }


def store_upload(
    *,
    tenant: TenantLike,
    file: IO[Any],
    path: str,
    access_level: str,
    uploaded_by: User | str,
    allowed_levels: Sequence[str] | None = None,
    source_id: UUID | None = None,
) -> Upload:
    """Keeps the file durably and queues it. The same content again changes nothing.

    `allowed_levels` are the caller's; none given is a command on the machine itself, which may use
    all of the tenant's. `source_id` names a source of uploaded files, by default the one that every
    tenant has. Raises InvalidRequest, TooLarge, PermissionDenied, Conflict.
    """
    path = clean_path(path)
    allowed = tenant.access_levels if allowed_levels is None else allowed_levels
    check_access_level(tenant, access_level, allowed)
    files.check_size(getattr(file, "size", None) or 0)
    stored = files.save_file(tenant, file)
    try:
        with tenant_context(tenant):
            source = _find_source(source_id)
            return _record(tenant, source, path, access_level, str(uploaded_by), stored, allowed)
    except BaseException:
        files.delete_file(stored.key)
        raise


def check_access_level(tenant: TenantLike, access_level: str, allowed: Sequence[str]) -> None:
    if access_level not in tenant.access_levels:
        raise InvalidRequest(
            f"There is no access level {access_level!r}: use one of {', '.join(allowed)}.",
            code="bad_access_level",
            extra={"field": "access_level"},
        )
    if access_level not in allowed:
        raise PermissionDenied(
            f"You may not use the access level {access_level!r}: use one of {', '.join(allowed)}.",
            extra={"field": "access_level"},
        )


def delete_document(*, tenant: TenantLike, document_id: UUID) -> None:
    """Raises NotFound, and Conflict for what a source brought: its next sync would bring it back."""
    with tenant_context(tenant):
        document = _lock(document_id)
        refuse_synced(document)
        queue.remove(tenant, document.pk)
        store.remove_chunks(tenant, document.pk)
        _delete_file_on_commit(document.storage_key)
        document.delete()


def refuse_synced(document: Document) -> None:
    if document.source.kind != UploadConnector.kind:
        raise Conflict(synced_message(document.source.name), code="synced")


def synced_message(source_name: str) -> str:
    return f"It comes from the source {source_name}: remove it in the source, or exclude it there."


def retry_document(*, tenant: TenantLike, document_id: UUID) -> Document:
    """Raises NotFound, and Conflict unless the document failed."""
    with tenant_context(tenant):
        document = _lock(document_id)
        if document.status != Document.Status.FAILED:
            raise Conflict(
                f"Only a failed document can be tried again; this one is {document.status}.",
                code="not_failed",
            )
        _queue(tenant, document)
        return document


def _find_source(source_id: UUID | None) -> Source:
    uploads = Source.objects.filter(kind=UploadConnector.kind)
    if source_id is None:
        return uploads.filter(name=UPLOADS).first() or _make_uploads(uploads)
    source = uploads.filter(pk=source_id).first()
    if source is None:
        raise InvalidRequest(
            "There is no source of uploaded files with this id: leave it out, or create one.",
            code="bad_source",
            extra={"field": "source"},
        )
    return source


def _make_uploads(uploads: QuerySet[Source]) -> Source:
    """Another kind of source may have taken the name."""
    source, _ = Source.objects.get_or_create(name=UPLOADS, defaults={"kind": UploadConnector.kind})
    if source.kind == UploadConnector.kind:
        return source
    oldest = uploads.order_by("created_at", "id").first()
    if oldest is not None:
        return oldest
    source, _ = Source.objects.get_or_create(name=OTHER_UPLOADS, kind=UploadConnector.kind)
    return source


def _record(
    tenant: TenantLike,
    source: Source,
    path: str,
    access_level: str,
    uploaded_by: str,
    stored: StoredFile,
    allowed: Sequence[str],
) -> Upload:
    values = {
        "path": path,
        "access_level": access_level,
        "uploaded_by": uploaded_by,
        "content_hash": stored.content_hash,
        "size_bytes": stored.size_bytes,
        "storage_key": stored.key,
        "media_type": mimetypes.guess_type(path)[0] or "application/octet-stream",
    }
    document, is_new = Document.objects.select_for_update().get_or_create(
        source=source, external_id=path, defaults=values
    )
    if is_new:
        _queue(tenant, document)
        return Upload(document, UploadResult.NEW)
    is_changed = _replace(tenant, document, values, allowed)
    return Upload(document, UploadResult.REPLACED if is_changed else UploadResult.UNCHANGED)


def _replace(
    tenant: TenantLike, document: Document, values: dict[str, Any], allowed: Sequence[str]
) -> bool:
    """False when there was nothing to change."""
    if document.access_level not in allowed:
        raise Conflict(
            "There is a document of this name that you may not change: choose another path.",
            code="path_taken",
            extra={"field": "path"},
        )
    is_same = document.content_hash == values["content_hash"]
    # A failed document takes the new file even so: the old one may be what is wrong.
    keeps_file = is_same and document.status != Document.Status.FAILED
    is_moved = document.access_level != values["access_level"]
    _delete_file_on_commit(values["storage_key"] if keeps_file else document.storage_key)
    if keeps_file:
        values = values | {"storage_key": document.storage_key}
    for name, value in values.items():
        setattr(document, name, value)
    if keeps_file:
        document.save(update_fields=["access_level", "uploaded_by", "updated_at"])
    else:
        _queue(tenant, document)
    if is_moved:
        _move_text(tenant, document)
    return is_moved or not keeps_file


def _move_text(tenant: TenantLike, document: Document) -> None:
    """Text moves to another access level at once, but only text that was uploaded with that level.

    Older text leaves the search until the new is stored: neither level is right for it.
    """
    if document.indexed_hash == document.content_hash:
        store.set_access_level(tenant, document.pk, document.access_level)
        return
    store.remove_chunks(tenant, document.pk)
    document.markdown = document.title = document.indexed_hash = ""
    document.page_count = None
    document.chunk_count = document.token_count = 0
    document.save()


def _queue(tenant: TenantLike, document: Document) -> None:
    document.status = Document.Status.QUEUED
    document.stage = document.error_code = document.error_message = ""
    document.save()
    queue.enqueue(tenant, document.pk)
    transaction.on_commit(tasks.hint)


def _lock(document_id: UUID) -> Document:
    document = Document.objects.select_for_update().filter(pk=document_id).first()
    if document is None:
        raise NotFound("There is no such document: it may have been deleted.")
    return document


def _delete_file_on_commit(key: str) -> None:
    transaction.on_commit(lambda: files.delete_file(key))

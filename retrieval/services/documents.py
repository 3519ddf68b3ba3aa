"""Writes to documents: upload, delete, try again."""

from __future__ import annotations

import mimetypes
from typing import IO, TYPE_CHECKING, Any

from django.db import transaction

from ragadmin.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from retrieval import tasks
from retrieval.indexing import files, queue, store
from retrieval.models import Document, Source
from retrieval.services.paths import clean_path
from tenants.context import tenant_context

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from retrieval.indexing.files import StoredFile
    from tenants.config import TenantConfig
    from tenants.models import Tenant, User

    AnyTenant = Tenant | TenantConfig

UPLOADS = "Uploads"


def store_upload(
    *,
    tenant: AnyTenant,
    file: IO[Any],
    path: str,
    access_level: str,
    uploaded_by: User | str,
    allowed_levels: Sequence[str] | None = None,
) -> Document:
    """Keeps the file durably and queues it. The same content again changes nothing.

    `allowed_levels` are the caller's; none given is a command on the machine itself, which may use
    all of the tenant's. Raises InvalidRequest, TooLarge, PermissionDenied, Conflict.
    """
    path = clean_path(path)
    allowed = tenant.access_levels if allowed_levels is None else allowed_levels
    check_access_level(tenant, access_level, allowed)
    files.check_size(getattr(file, "size", None) or 0)
    stored = files.save_file(tenant, file)
    try:
        with tenant_context(tenant):
            return _record(tenant, path, access_level, str(uploaded_by), stored, allowed)
    except BaseException:
        files.delete_file(stored.key)
        raise


def check_access_level(tenant: AnyTenant, access_level: str, allowed: Sequence[str]) -> None:
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


def delete_document(*, tenant: AnyTenant, document_id: UUID) -> None:
    """Raises NotFound."""
    with tenant_context(tenant):
        document = _lock(document_id)
        queue.remove(tenant, document.pk)
        store.remove_chunks(tenant, document.pk)
        _delete_file_on_commit(document.storage_key)
        document.delete()


def retry_document(*, tenant: AnyTenant, document_id: UUID) -> Document:
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


def _record(
    tenant: AnyTenant,
    path: str,
    access_level: str,
    uploaded_by: str,
    stored: StoredFile,
    allowed: Sequence[str],
) -> Document:
    source, _ = Source.objects.get_or_create(name=UPLOADS, defaults={"kind": Source.Kind.UPLOAD})
    values = {
        "access_level": access_level,
        "uploaded_by": uploaded_by,
        "content_hash": stored.content_hash,
        "size_bytes": stored.size_bytes,
        "storage_key": stored.key,
        "media_type": mimetypes.guess_type(path)[0] or "application/octet-stream",
    }
    document, is_new = Document.objects.select_for_update().get_or_create(
        source=source, path=path, defaults=values
    )
    if is_new:
        _queue(tenant, document)
    else:
        _replace(tenant, document, values, allowed)
    return document


def _replace(
    tenant: AnyTenant, document: Document, values: dict[str, Any], allowed: Sequence[str]
) -> None:
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


def _move_text(tenant: AnyTenant, document: Document) -> None:
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


def _queue(tenant: AnyTenant, document: Document) -> None:
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

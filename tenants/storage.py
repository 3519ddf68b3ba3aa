"""Where a tenant's files are in Django's storage: below its id, which no later tenant gets again."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

if TYPE_CHECKING:
    from collections.abc import Iterable

log = structlog.get_logger(__name__)

FILES, EXPORTS, LEFTOVERS = "tenants", "exports", "leftovers"


def new_file_key(tenant_id: int) -> str:
    return f"{FILES}/{tenant_id}/{uuid.uuid4().hex}"


def file_keys(tenant_id: int, kind: str = FILES) -> list[str]:
    """Every file below the tenant's id, whether a row knows of it or not.

    Raises NotImplementedError where the storage cannot list.
    """
    folder = f"{kind}/{tenant_id}"
    try:
        return [f"{folder}/{name}" for name in default_storage.listdir(folder)[1]]
    except FileNotFoundError:
        return []


def is_of(tenant_id: int, key: str) -> bool:
    return key.startswith((f"{FILES}/{tenant_id}/", f"{EXPORTS}/{tenant_id}/"))


def mark_leftover(tenant_id: int) -> None:
    """Before files are written for a tenant that may never be there, or before a tenant goes.

    Only what is marked is ever swept away: a database that knows nothing of a folder may be the
    wrong database.
    """
    if not default_storage.exists(f"{LEFTOVERS}/{tenant_id}"):
        default_storage.save(f"{LEFTOVERS}/{tenant_id}", ContentFile(b"1"))


def unmark_leftover(tenant_id: int) -> None:
    _delete(f"{LEFTOVERS}/{tenant_id}")


def marked_leftovers() -> list[int]:
    """Ids. None where the storage cannot list."""
    try:
        names = default_storage.listdir(LEFTOVERS)[1]
    except (FileNotFoundError, NotImplementedError):
        return []
    return sorted(int(name) for name in names if name.isdecimal())


def delete_files(tenant_id: int, keys: Iterable[str]) -> int:
    """And the folders they were in. Returns how many could not be deleted."""
    left = sum(not _delete(key) for key in keys)
    for kind in (FILES, EXPORTS):
        path = local_path(f"{kind}/{tenant_id}")
        if path is not None and path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    return left


def _delete(key: str) -> bool:
    try:
        default_storage.delete(key)
    except OSError as error:
        log.warning("file not deleted", key=key, error=str(error))
        return False
    return True


def local_path(key: str) -> Path | None:
    """None where the storage is remote."""
    try:
        return Path(default_storage.path(key))
    except NotImplementedError:
        return None


def make_durable(key: str) -> None:
    """The file and the names that lead to it. A remote store is durable when it answers."""
    path, root = local_path(key), local_path("")
    if path is None or root is None:
        return
    for part in (path, *path.parents):
        descriptor = os.open(part, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if part == root:
            return

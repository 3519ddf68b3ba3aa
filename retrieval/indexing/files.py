"""Uploaded files in Django's storage: hashed while they stream, on disk before anyone relies on them."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import structlog
from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage

from ragadmin.errors import InvalidRequest, NotFound, TooLarge
from tenants.storage import local_path, make_durable, new_file_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenants.context import TenantLike

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoredFile:
    key: str
    content_hash: str
    size_bytes: int


class _MeasuredFile(File):
    """Counts and hashes what passes through, and stops at the upload limit."""

    def __init__(self, file: IO[Any]) -> None:
        super().__init__(file)
        self.sha256 = hashlib.sha256()
        self.passed_bytes = 0

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        for chunk in super().chunks(chunk_size or 2**20):
            self.passed_bytes += len(chunk)
            check_size(self.passed_bytes)
            self.sha256.update(chunk)
            yield chunk


def check_size(size_bytes: int) -> None:
    limit = settings.MAX_UPLOAD_BYTES
    if size_bytes > limit:
        raise TooLarge(
            f"The file is larger than the limit of {limit // 2**20} MB: split it or leave parts out.",
            extra={"limit_bytes": limit},
        )


def save_file(tenant: TenantLike, file: IO[Any]) -> StoredFile:
    """Under a new key that carries the tenant's id. Raises TooLarge, and InvalidRequest when empty."""
    wanted = new_file_key(tenant.id)
    measured = _MeasuredFile(file)
    try:
        key = default_storage.save(wanted, measured)
        if not measured.passed_bytes:
            raise InvalidRequest("The file is empty: choose one with content.", code="empty")
        make_durable(key)
    except BaseException:
        delete_file(wanted)
        raise
    return StoredFile(key, measured.sha256.hexdigest(), measured.passed_bytes)


def delete_file(key: str) -> None:
    """A file that cannot be deleted costs space only, so it is logged and not raised."""
    try:
        default_storage.delete(key)
    except OSError as error:
        log.warning("file not deleted", key=key, error=str(error))


@contextmanager
def local_file(key: str) -> Iterator[Path]:
    """A path to read the file at: its own, or a temporary copy when the storage is remote."""
    if not default_storage.exists(key):
        raise NotFound("The stored file is gone: upload it again.", code="file_missing")
    path = local_path(key)
    if path is not None:
        yield path
        return
    with tempfile.NamedTemporaryFile() as copy:
        with default_storage.open(key) as stored:
            shutil.copyfileobj(stored, copy)
        copy.flush()
        yield Path(copy.name)

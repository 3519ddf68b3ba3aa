"""Exports and imports that a worker does: how far they are is in Redis, their files are in storage."""

from __future__ import annotations

import json
import tempfile
import time
import uuid
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import redis
import structlog
from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.utils import timezone

from ragadmin.errors import RagadminError, Unavailable
from tenants import storage
from tenants.archive.export import export_tenant
from tenants.archive.import_ import import_tenant
from tenants.context import tenant_context
from tenants.redis_keys import redis_client, tenant_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.core.files.uploadedfile import UploadedFile

    from tenants.models import Tenant

log = structlog.get_logger(__name__)

UPLOADS = "imports"
KEPT_SECONDS = 24 * 3600
# A worker that says nothing for so long is dead.
SILENT_SECONDS = 120
NO_REDIS = "The queue cannot be reached: try again when Redis is back."
BROKE_OFF = "The worker stopped before it was done: try again."


@dataclass(slots=True)
class JobState:
    """`result` is the slug of the imported tenant, or the key of the export."""

    status: str = "waiting"
    stage: str = ""
    done: int = 0
    total: int = 0
    message: str = ""
    result: str = ""
    at: float = 0.0

    @property
    def is_running(self) -> bool:
        return self.status in ("waiting", "running")

    @property
    def percent(self) -> int:
        return 100 * self.done // self.total if self.total else 0


def export_key(tenant: Tenant) -> str:
    return tenant_key(tenant.pk, "export")


def import_key(number: uuid.UUID) -> str:
    return f"ragadmin:import:{number}"


def write_state(key: str, state: JobState) -> None:
    """Raises redis.RedisError."""
    state.at = time.time()
    with redis_client() as client:
        client.set(key, json.dumps(asdict(state)), ex=KEPT_SECONDS)


def read_state(key: str) -> JobState | None:
    """None: there is no such job, or Redis is down."""
    try:
        with redis_client() as client:
            found = client.get(key)
    except redis.RedisError:
        return None
    if not isinstance(found, bytes):
        return None
    state = JobState(**json.loads(found))
    if state.status == "running" and time.time() - state.at > SILENT_SECONDS:
        state.status, state.message = "failed", BROKE_OFF
    return state


def find_export(tenant: Tenant) -> str:
    """The key of the newest export that is kept, or nothing."""
    try:
        keys = storage.file_keys(tenant.pk, storage.EXPORTS)
    except NotImplementedError:
        keys = []
    return max(keys, default="")


def begin(key: str, send: Callable[[], object]) -> None:
    """Raises Unavailable when nobody can be asked."""
    try:
        write_state(key, JobState())
        send()
    except (redis.RedisError, OSError) as error:
        raise Unavailable(NO_REDIS, code="queue_unavailable") from error


def keep_upload(file: UploadedFile) -> str:
    return default_storage.save(f"{UPLOADS}/{uuid.uuid4().hex}.zip", file)


def run_export(tenant: Tenant, actor: str) -> None:
    """The newest export replaces the one before."""
    with _watched(export_key(tenant)) as (state, progress), _folder() as folder:
        path = folder / f"{tenant.slug}-{timezone.now():%Y%m%d-%H%M%S}.zip"
        export_tenant(tenant=tenant, path=path, actor=actor, progress=progress)
        # In force, so that the tenant is not deleted while its export is being kept.
        with tenant_context(tenant), path.open("rb") as file:
            old = storage.file_keys(tenant.pk, storage.EXPORTS)
            state.result = default_storage.save(
                f"{storage.EXPORTS}/{tenant.pk}/{path.name}", File(file)
            )
            storage.delete_files(tenant.pk, old)


def run_import(number: uuid.UUID, upload: str, slug: str, isolation: str, actor: str) -> None:
    try:
        with _watched(import_key(number)) as (state, progress), _local(upload) as path:
            report = import_tenant(
                path=path, slug=slug, isolation=isolation, actor=actor, progress=progress
            )
            state.result, state.message = report.tenant.slug, " ".join(report.notes)
    finally:
        default_storage.delete(upload)


def forget_old_uploads() -> None:
    """Of workers that died."""
    try:
        names = default_storage.listdir(UPLOADS)[1]
    except (FileNotFoundError, NotImplementedError):
        return
    for name in names:
        key = f"{UPLOADS}/{name}"
        if (timezone.now() - default_storage.get_modified_time(key)).total_seconds() > KEPT_SECONDS:
            default_storage.delete(key)


@contextmanager
def _watched(key: str) -> Iterator[tuple[JobState, Callable[[str, int, int], None]]]:
    """Writes how far it is, at most twice a second, and how it ended."""
    state = JobState(status="running")
    _note(key, state)

    def progress(stage: str, done: int, total: int) -> None:
        state.stage, state.done, state.total = stage, done, total
        if time.time() - state.at > 0.5:
            _note(key, state)

    try:
        yield state, progress
        state.status = "succeeded"
    except RagadminError as error:
        state.status, state.message = "failed", error.message
        log.warning("archive job failed", key=key, error=error.message)
    except BaseException:
        state.status, state.message = "failed", BROKE_OFF
        raise
    finally:
        _note(key, state)


def _note(key: str, state: JobState) -> None:
    """Nobody can watch while Redis is down; the work goes on."""
    try:
        write_state(key, state)
    except redis.RedisError as error:
        state.at = time.time()
        log.warning("progress not noted", error=str(error))


@contextmanager
def _folder() -> Iterator[Path]:
    """Beside the data: /tmp may be small, or in memory."""
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="archive-", dir=settings.DATA_DIR) as name:
        yield Path(name)


@contextmanager
def _local(key: str) -> Iterator[Path]:
    path = storage.local_path(key)
    if path is not None:
        yield path
        return
    with _folder() as folder, default_storage.open(key) as stored:
        copy = folder / "upload.zip"
        with copy.open("wb") as file:
            for block in stored.chunks():
                file.write(block)
        yield copy

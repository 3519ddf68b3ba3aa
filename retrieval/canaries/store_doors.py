"""Doors beside the database and HTTP: background tasks, files, Redis."""

from __future__ import annotations

import re
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis
from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models import F

from ragadmin.heartbeats import KEY as HEARTBEATS
from retrieval.canaries.cast import Attempt, Cast  # noqa: TC001 - the door's signature
from retrieval.canaries.doors import Sight, door, survey
from retrieval.indexing import queue
from retrieval.indexing.index import index_document
from retrieval.models import Chunk, Document
from tenants.archive.export import export_tenant
from tenants.context import tenant_context
from tenants.models import Tenant
from tenants.redis_keys import PREFIX
from tenants.storage import EXPORTS, FILES, file_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

SECTION = "Stores and tasks"
WORKER = "isolation check"
MOST_NAMED = 5
OF_A_TENANT = re.compile(re.escape(PREFIX).replace(r"\{\}", r"\d+"))
# Signs of life, and what Celery keeps for itself: the queue, its bindings, tasks not yet
# acknowledged, and remote control.
OF_THE_INSTALLATION = re.compile(
    rf"{HEARTBEATS}|{settings.CELERY_TASK_DEFAULT_QUEUE}(\x06\x16\d+)?|celery(\x06\x16\d+)?|_kombu\.binding.*"
    r"|unacked|unacked_index|unacked_mutex|.*\.?celeryev.*|.*celery\.pidbox|celery-task-meta-.*"
)


@survey(SECTION, "Every Redis key names its tenant")
def find_keys_without_tenant() -> Sight:
    """Each key is below a tenant's id, or on the short list of what belongs to the installation."""
    tried, strange = 0, []
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=10) as client:
        for raw in client.scan_iter(count=1_000):
            key, tried = raw.decode(errors="replace"), tried + 1
            if not (OF_A_TENANT.match(key) or OF_THE_INSTALLATION.fullmatch(key)):
                strange.append(key)
    if not strange:
        return Sight(tried=tried)
    more = f" and {len(strange) - MOST_NAMED} more" if len(strange) > MOST_NAMED else ""
    return Sight(granted=f"No tenant in {', '.join(sorted(strange)[:MOST_NAMED])}{more}.")


@door(SECTION, "Redis", shows_own=False, within=False)
def read_redis(cast: Cast, attempt: Attempt) -> Sight:
    """Everything that Redis keeps for the visitor's tenant."""
    values = _once(cast, ("redis", attempt.visitor.tenant.pk), _redis_values)
    return Sight("\n".join(values), tried=len(values))


@door(SECTION, "Files", within=False)
def read_files(cast: Cast, attempt: Attempt) -> Sight:
    """Every stored file below the visitor's tenant, uploads and exports."""
    texts = _once(cast, ("files", attempt.visitor.tenant.pk), _file_texts)
    return Sight("\n".join(texts), tried=len(texts))


@door(SECTION, "Exports", within=False)
def read_export(cast: Cast, attempt: Attempt) -> Sight:
    """Every file in an export of the visitor's tenant."""
    texts = _once(cast, ("export", attempt.visitor.tenant.pk), _export_texts)
    return Sight("\n".join(texts), tried=len(texts))


@door(SECTION, "Background tasks with a foreign id", shows_own=False, within=False)
def index_foreign_document(cast: Cast, attempt: Attempt) -> Sight:
    """A job of the visitor's tenant that names the canary's document: indexing it changes nothing
    there, and brings nothing of it here."""
    tenant, ids = attempt.visitor.tenant, attempt.target.ids
    before = _state(attempt.target.tenant, ids["document_id"])
    queue.enqueue(tenant, ids["document_id"])
    claim = queue.claim_document(tenant, ids["document_id"], WORKER)
    if claim is not None:
        index_document(claim)
    touched = _state(attempt.target.tenant, ids["document_id"]) != before
    with tenant_context(tenant):
        here = [*Chunk.objects.values_list("text", flat=True)]
        here += Document.objects.values_list("path", flat=True)
    said = "The canary's document was changed by another tenant's job." if touched else ""
    return Sight("\n".join(here), granted=said)


def _state(tenant: Tenant, document_id: UUID) -> Any:
    with tenant_context(tenant):
        found = Document.objects.filter(pk=document_id).annotate(at=F("updated_at"))
        return list(found.values_list("status", "at", "indexed_at", "chunk_count"))


def _once(cast: Cast, key: tuple[str, int], read: Any) -> list[str]:
    """Read once a run: it is the same whichever canary is looked for in it."""
    if key not in cast.kept:
        cast.kept[key] = list(read(key[1]))
    return cast.kept[key]


def _file_texts(tenant_id: int) -> Iterator[str]:
    for kind in (FILES, EXPORTS):
        for key in file_keys(tenant_id, kind):
            with default_storage.open(key) as file:
                yield file.read().decode(errors="replace")


def _export_texts(tenant_id: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.zip"
        export_tenant(tenant=Tenant.objects.get(pk=tenant_id), path=path, actor=WORKER)
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield f"{name}\n{archive.read(name).decode(errors='replace')}"


def _redis_values(tenant_id: int) -> Iterator[str]:
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=10) as client:
        for key in client.scan_iter(match=PREFIX.format(tenant_id) + "*", count=1_000):
            yield f"{key!r} {_redis_value(client, key)!r}"


def _redis_value(client: redis.Redis, key: bytes) -> Any:
    kind: Any = client.type(key)
    readers: dict[bytes, Callable[[], Any]] = {
        b"string": lambda: client.get(key),
        b"hash": lambda: client.hgetall(key),
        b"list": lambda: client.lrange(key, 0, -1),
        b"set": lambda: client.smembers(key),
        b"zset": lambda: client.zrange(key, 0, -1),
        b"none": lambda: None,  # it ran out meanwhile
    }
    return readers[kind]()

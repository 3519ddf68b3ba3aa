"""A folder source and its runs, worked off in the test's own process."""

from __future__ import annotations

import itertools
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.conf import settings

from retrieval.models import Chunk, Document, Source, SyncRun
from retrieval.services.foreground import finish_here
from retrieval.services.sources import create_source
from retrieval.services.sync_runs import start_sync
from retrieval.sync_selectors import find_run, run_paths
from tenants.context import tenant_context

if TYPE_CHECKING:
    from pathlib import Path

    from tenants.models import Tenant

LEVELS = ("public", "internal")


@contextmanager
def sync_root(folder: Path):
    """`folder` is one that sources may read."""
    before, settings.SYNC_ROOTS = settings.SYNC_ROOTS, (*settings.SYNC_ROOTS, str(folder))
    try:
        yield folder
    finally:
        settings.SYNC_ROOTS = before


# Of each write another, and long enough ago that nobody need doubt it.
_times = itertools.count(1_700_000_000)


def write(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        at = next(_times)
        os.utime(path, (at, at))


def folder_source(tenant: Tenant, folder: Path, name: str = "Docs", **values: Any) -> Source:
    config = {"url": str(folder)} | values.pop("config", {})
    values = {"access_level": "public", "actor": "test"} | values
    return create_source(tenant=tenant, name=name, kind="folder", config=config, **values)


def sync(tenant: Tenant, source: Source, **options: Any) -> SyncRun:
    """One run to its end, whatever that is."""
    run = start_sync(tenant=tenant, source_id=source.pk, trigger="manual", actor="test", **options)
    return finish(tenant, run)


def finish(tenant: Tenant, run: SyncRun) -> SyncRun:
    finish_here(tenant, run.pk)
    return reload(tenant, run)


def reload(tenant: Tenant, run: SyncRun) -> SyncRun:
    with tenant_context(tenant):
        return SyncRun.objects.select_related("source").get(pk=run.pk)


def counts(run: SyncRun) -> dict[str, int]:
    names = ("added", "updated", "deleted", "unchanged", "failed")
    return {name: getattr(run, name) for name in names if getattr(run, name)}


def paths(tenant: Tenant, run: SyncRun, kind: str) -> list[str]:
    with tenant_context(tenant):
        found = find_run(run.pk, LEVELS)
        return [entry.path for entry in run_paths(found, kind, LEVELS)]


def texts(tenant: Tenant) -> dict[str, str]:
    """What is searched, by path: the whole of each document's passages in order."""
    with tenant_context(tenant):
        chunks = Chunk.objects.select_related("document").order_by("document__path", "ordinal")
        found: dict[str, str] = {}
        for chunk in chunks:
            found[chunk.document.path] = found.get(chunk.document.path, "") + chunk.text
        return found


def document(tenant: Tenant, path: str) -> Document:
    with tenant_context(tenant):
        return Document.objects.get(path=path)

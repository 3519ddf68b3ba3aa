"""A sync that finds nothing new, over few and many files: seconds, database queries, files read.

The documents are written into the database as a sync would leave them; the files are real. The run is
done in this process by the worker's own code.
"""

from __future__ import annotations

import logging
import statistics
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from benchmarks.common import report, temporary_folder
from benchmarks.database import database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from retrieval.models import Source, SyncRun
    from tenants.models import Tenant

SIZES = (5_000, 10_000, 100_000)
FILES_A_FOLDER = 200
REPEATS = 3
SLICE = 2_000


def main() -> None:
    rows = []
    with temporary_folder() as folder:
        files = folder / "files"
        files.mkdir()
        with database(folder / "data", RAGADMIN_SYNC_ROOTS=str(files)):
            logging.getLogger("retrieval").setLevel(logging.WARNING)
            for size in SIZES:
                rows.append(measure(files / str(size), size))
                print(f"  {rows[-1]}", flush=True)
    first = rows[0]
    for row in rows:
        row["files/first"] = row["files"] / first["files"]
        row["seconds/first"] = row["seconds"] / first["seconds"]
        row["cpu/first"] = row["cpu_s"] / first["cpu_s"]
    report("sync_scale", rows)


def measure(folder: Path, size: int) -> dict[str, Any]:
    from tenants.services import create_tenant

    write_small_files(folder, size)
    tenant = create_tenant(slug=f"bench-{size}", embedding_model="local:all-MiniLM-L6-v2")
    source = make_source(tenant, folder)
    fill(tenant, source)
    passes = [time_pass(tenant, source, size) for _ in range(REPEATS)]
    _, _, queries, run = passes[-1]
    return {
        "files": size,
        "seconds": statistics.median(each[0] for each in passes),
        "cpu_s": statistics.median(each[1] for each in passes),
        "queries": queries,
        "files_read": run.plan["read"],
        "embedded": run.embedded_chunks,
        "planning_ms": run.timings["planning"],
    }


def write_small_files(folder: Path, size: int) -> None:
    for number in range(size):
        if number % FILES_A_FOLDER == 0:
            place = folder / f"{number // FILES_A_FOLDER:04}"
            place.mkdir(parents=True)
        (place / f"page-{number:06}.md").write_text(f"# Page {number}\n")


def make_source(tenant: Tenant, folder: Path) -> Source:
    from retrieval.services.sources import create_source

    return create_source(
        tenant=tenant,
        name="files",
        kind="folder",
        config={"url": str(folder)},
        access_level="public",
        actor=None,
    )


def fill(tenant: Tenant, source: Source) -> None:
    from retrieval.connectors.registry import open_connector
    from retrieval.models import Document
    from tenants.context import tenant_context

    connector = open_connector(source.kind, source.config, {})
    documents = [
        Document(
            source_id=source.pk,
            external_id=item.external_id,
            path=item.path,
            fingerprint=item.fingerprint,
            access_level="public",
            status=Document.Status.READY,
            content_hash=f"{number:064x}",
            indexed_hash=f"{number:064x}",
            size_bytes=item.size,
            indexed_generation=1,
        )
        for number, item in enumerate(connector.list_items({}))
    ]
    with tenant_context(tenant):
        Document.objects.bulk_create(documents, batch_size=SLICE)


def time_pass(tenant: Tenant, source: Source, size: int) -> tuple[float, float, int, SyncRun]:
    from retrieval.indexing.sync import run_next_sync
    from retrieval.models import SyncRun
    from retrieval.services.sync_runs import start_sync
    from tenants.context import tenant_context

    run = start_sync(tenant=tenant, source_id=source.pk, trigger="command", actor=None)
    with counted_queries() as queries:
        start, cpu = time.perf_counter(), time.process_time()
        run_next_sync("benchmark", tenant, run.pk)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    with tenant_context(tenant):
        run = SyncRun.objects.get(pk=run.pk)
    if (run.status, run.unchanged) != (SyncRun.Status.SUCCEEDED, size):
        raise RuntimeError(f"The run {run.status}, {run.unchanged} unchanged: {run.error_message}")
    return seconds, cpu, len(queries), run


@contextmanager
def counted_queries() -> Iterator[list[str]]:
    from django.db import connection

    seen: list[str] = []

    def note(execute: Any, sql: str, *rest: Any) -> Any:
        seen.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        yield seen


if __name__ == "__main__":
    main()

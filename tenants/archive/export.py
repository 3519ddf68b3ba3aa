"""A tenant's export: one consistent view of its rows, streamed, with the files they name."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import psycopg
from django.conf import settings
from django.core.files.storage import default_storage
from django.utils import timezone
from psycopg import sql

from ragadmin.errors import Conflict, InvalidRequest
from tenants import storage
from tenants.archive.manifest import (
    PEOPLE,
    SETTINGS,
    TABLES,
    FileRecord,
    Manifest,
    ragadmin_version,
)
from tenants.archive.names import DocumentNames
from tenants.archive.people import describe_people
from tenants.archive.spending import describe_spending
from tenants.archive.writing import ArchiveWriter
from tenants.audit import record_event
from tenants.context import ENTER, tenant_context
from tenants.moving.tables import read_tables
from tenants.schema import compiled_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenants.models import Tenant, User
    from tenants.moving.tables import Table

    Progress = Callable[[str, int, int], None]

# So many rows are in memory at once; a row can hold the whole text of a document.
FETCH_ROWS = 50
FILE_BLOCK = 2**20
ATTEMPTS = 3
FILE_COLUMN = "storage_key"


@dataclass(frozen=True, slots=True)
class ExportReport:
    rows: int
    documents: int
    bytes: int
    missing_files: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def no_progress(stage: str, done: int, total: int) -> None:
    """For those who do not watch."""


def export_tenant(
    *,
    tenant: Tenant,
    path: Path,
    actor: User | str | None,
    progress: Progress = no_progress,
) -> ExportReport:
    """Whole at `path`, or not there. Raises Conflict when something is there, InvalidRequest."""
    if path.exists():
        raise Conflict(f"There is {path} already: name another file.", code="file_exists")
    try:
        descriptor, name = tempfile.mkstemp(
            prefix=f".{path.name}.", suffix=".part", dir=path.parent
        )
    except OSError as error:
        raise InvalidRequest(
            f"Nothing can be written to {path.parent}: {error.strerror}."
        ) from None
    try:
        with os.fdopen(descriptor, "w+b") as stream, tenant_context(tenant):
            # While this holds, the tenant is neither moved nor deleted.
            manifest = _write_until_whole(tenant, stream, progress)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).rename(path)
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()
    report = _report(manifest, path)
    record_event(
        "tenant.exported", actor=actor, tenant=tenant, target=tenant.slug, rows=report.rows,
        documents=report.documents, bytes=report.bytes,
    )  # fmt: skip
    return report


def _write_until_whole(tenant: Tenant, stream: IO[bytes], progress: Progress) -> Manifest:
    """Again when a document was replaced between its row and its file; a file that is missing
    twice is gone for good."""
    missing: tuple[str, ...] = ()
    manifest: Manifest | None = None
    for _ in range(ATTEMPTS):
        stream.seek(0)
        stream.truncate()
        with closing(ArchiveWriter(stream)) as archive:
            manifest = _Export(tenant, archive, progress).write()
        if manifest.missing_files == missing:
            break
        missing = manifest.missing_files
    assert manifest
    return manifest


def _report(manifest: Manifest, path: Path) -> ExportReport:
    return ExportReport(
        rows=sum(each.rows or 0 for each in manifest.files),
        documents=sum(each.rows is None for each in manifest.files) - 1,
        bytes=path.stat().st_size,
        missing_files=manifest.missing_files,
    )


class _Export:
    def __init__(self, tenant: Tenant, archive: ArchiveWriter, progress: Progress) -> None:
        self.tenant, self.archive, self.progress = tenant, archive, progress
        self.names = DocumentNames()
        self.wanted: list[tuple[str, str]] = []
        self.missing: list[str] = []
        self.asked: set[int] = set()
        self.done = self.total = 0

    def write(self) -> Manifest:
        with _snapshot(self.tenant) as connection:
            schema = _schema_in_force(connection)
            tables = read_tables(connection.cursor(), schema)  # type: ignore[arg-type]
            settings_then = self._settings(connection)
            self.total = self._count(connection, schema, tables)
            records = [self._write_table(connection, schema, table) for table in tables]
        self._write_documents()
        with self.archive.entry(PEOPLE) as entry:
            entry.write(json.dumps(describe_people(self.tenant, self.asked), indent=1).encode())
        manifest = Manifest(
            schema_version=compiled_schema()[1],
            created_at=timezone.now().isoformat(),
            ragadmin_version=ragadmin_version(),
            tenant={**settings_then, "spending": describe_spending(self.tenant)},
            files=(*records, *self.archive.files[len(records) :]),
            missing_files=tuple(self.missing),
            columns={table.name: _columns(table) for table in tables},
        )
        self.archive.finish(manifest)
        return manifest

    def _settings(self, connection: psycopg.Connection[Any]) -> dict[str, Any]:
        """In the same view as the rows."""
        columns = ", ".join(f"t.{name}" for name in SETTINGS)
        row = connection.execute(
            f"SELECT {columns}, p.name FROM public.tenants_tenant t"  # noqa: S608 - of constants
            " LEFT JOIN public.tenants_provider p ON p.id = t.provider_id WHERE t.id = %s",
            [self.tenant.pk],
        ).fetchone()
        assert row
        return dict(zip((*SETTINGS, "provider"), row, strict=True))

    def _count(
        self, connection: psycopg.Connection[Any], schema: str, tables: tuple[Table, ...]
    ) -> int:
        total = 0
        for table in tables:
            row = connection.execute(
                sql.SQL("SELECT count(*) FROM {} WHERE tenant_id = %s").format(
                    sql.Identifier(schema, table.name)
                ),
                [self.tenant.pk],
            ).fetchone()
            total += row[0] if row else 0
        return total

    def _write_table(
        self, connection: psycopg.Connection[Any], schema: str, table: Table
    ) -> FileRecord:
        rows = 0
        edits = {FILE_COLUMN, "user_id"} & set(table.columns)
        with self.archive.entry(f"{TABLES}{table.name}.jsonl", has_rows=True) as entry:
            for line in _lines(connection, schema, table, self.tenant):
                entry.write((self._edit(line) if edits else line).encode() + b"\n")
                rows += 1
                self.done += 1
                if self.done % 1000 == 0:
                    self.progress("rows", self.done, self.total)
        record = self.archive.files[-1]
        return FileRecord(record.name, record.bytes, record.sha256, rows)

    def _edit(self, line: str) -> str:
        """A row names its file in the archive instead of the one in the storage."""
        row = json.loads(line)
        if row.get("user_id") is not None:
            self.asked.add(row["user_id"])
        if FILE_COLUMN not in row:
            return line
        key = row[FILE_COLUMN]
        # A row that names another tenant's file does not get it.
        if not (storage.is_of(self.tenant.pk, key) and default_storage.exists(key)):
            self.missing.append(row["path"])
            row[FILE_COLUMN] = ""
        else:
            name = self.names.take(row["path"])
            self.wanted.append((key, name))
            row[FILE_COLUMN] = name
        return json.dumps(row, ensure_ascii=False)

    def _write_documents(self) -> None:
        for number, (key, name) in enumerate(self.wanted):
            self.progress("documents", number, len(self.wanted))
            try:
                with default_storage.open(key) as file, self.archive.entry(name) as entry:
                    while block := file.read(FILE_BLOCK):
                        entry.write(block)
            except FileNotFoundError:
                self.missing.append(name)


@contextmanager
def _snapshot(tenant: Tenant) -> Iterator[psycopg.Connection[Any]]:
    """A connection of the role that row-level security binds, in one view of the database."""
    values = settings.DATABASES["default"]
    with psycopg.connect(
        host=values["HOST"],
        port=values["PORT"],
        dbname=values["NAME"],
        user=values["USER"],
        password=values["PASSWORD"],
        connect_timeout=5,
    ) as connection:
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute(ENTER, [tenant.pk])
        yield connection


def _schema_in_force(connection: psycopg.Connection[Any]) -> str:
    row = connection.execute("SELECT current_schema()").fetchone()
    assert row
    return row[0]


def _lines(
    connection: psycopg.Connection[Any], schema: str, table: Table, tenant: Tenant
) -> Iterator[str]:
    statement = sql.SQL(
        "SELECT row_to_json(r)::text FROM"
        " (SELECT {columns} FROM {table} WHERE tenant_id = %s ORDER BY {order}) AS r"
    ).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, _columns(table))),
        table=sql.Identifier(schema, table.name),
        order=sql.SQL(", ").join(map(sql.Identifier, table.row_key)),
    )
    with connection.cursor(name="export") as cursor:
        cursor.itersize = FETCH_ROWS
        cursor.execute(statement, [tenant.pk])
        for (line,) in cursor:
            yield line


def _columns(table: Table) -> list[str]:
    """Without the tenant's id: an archive can become another tenant."""
    return [name for name in table.columns if name != "tenant_id"]

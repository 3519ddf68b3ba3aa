"""A tenant out of an archive: all in one transaction, so that it is there whole or not at all.

Files are written meanwhile below an id that no other tenant ever gets; those of an import that was
killed are swept away later (tenants.leftovers).
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import DataError, IntegrityError, NotSupportedError, transaction
from psycopg.errors import UniqueViolation

from tenants import schema, storage
from tenants.archive.hooks import AFTER_IMPORT
from tenants.archive.manifest import LATER_SETTINGS, SETTINGS, ArchiveError
from tenants.archive.people import find_people
from tenants.archive.reading import open_archive
from tenants.archive.rows import NewIds, RowEditor, insert_rows
from tenants.archive.spending import clean_settings, read_spending
from tenants.audit import record_event
from tenants.compiled import compiled_migrations
from tenants.context import TENANT_LOCK
from tenants.isolation.levels import isolation_of
from tenants.leftovers import sweep_files
from tenants.models import Provider, Tenant
from tenants.moving.sequences import SEQUENCE_LOCK, STEP
from tenants.moving.tables import read_tables
from tenants.services import check_slug, embedding_dimension, slug_taken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from django.db.backends.utils import CursorWrapper

    from tenants.archive.people import People
    from tenants.archive.reading import Archive
    from tenants.archive.spending import Spending
    from tenants.isolation.base import Isolation
    from tenants.models import User
    from tenants.moving.tables import Table

    Progress = Callable[[str, int, int], None]

CHUNKS = "retrieval_chunk"
# Far more than any sequence gives out, and still exact in JavaScript.
HIGHEST_ID = 2**48
ATTACH_SECONDS = 30


@dataclass(frozen=True, slots=True)
class ImportReport:
    tenant: Tenant
    rows: int
    documents: int
    members: int
    notes: list[str]

    def as_dict(self) -> dict[str, Any]:
        return {
            "slug": self.tenant.slug,
            "isolation": self.tenant.isolation,
            "rows": self.rows,
            "documents": self.documents,
            "members": self.members,
            "notes": self.notes,
        }


class IdsTaken(Exception):
    """In a pool another tenant has rows with these ids."""


def no_progress(stage: str, done: int, total: int) -> None:
    """For those who do not watch."""


def import_tenant(
    *,
    path: Path,
    slug: str = "",
    isolation: str = "",
    actor: User | str | None,
    progress: Progress = no_progress,
) -> ImportReport:
    """Raises ArchiveError, InvalidRequest, and Conflict when the slug is taken. Nothing is left then."""
    sweep_files()
    with open_archive(path) as archive:
        archive.verify(progress)
        tenant = _new_tenant(archive, slug.strip(), isolation)
        people = find_people(archive.people(), tenant)
        spending = read_spending(archive.manifest.tenant)
        with transaction.atomic(using="owner"), schema.owner().cursor() as cursor:
            isolation_of(tenant.isolation).ensure(cursor)
        try:
            work = _Import(archive, tenant, people, spending, None, progress)
            work.run(actor)
        except IdsTaken:
            tenant.pk = None
            work = _Import(archive, tenant, people, spending, NewIds(), progress)
            work.run_with_new_ids(actor)
    return _report(work)


def _report(work: _Import) -> ImportReport:
    notes = []
    if work.people.unknown:
        notes.append(
            f"{work.people.unknown} members are not known here by their email: "
            "make them users and add them again."
        )
    wanted = work.archive.manifest.tenant.get("provider")
    if wanted and work.tenant.provider is None:
        notes.append(f"There is no model endpoint {wanted!r} here: the default answers.")
    if work.spending.unknown:
        names = ", ".join(work.spending.unknown)
        notes.append(f"Routes to model endpoints that are not here were left out: {names}.")
    if work.new_ids:
        notes.append("Documents have new ids: another tenant here has those of the archive.")
    missing = work.archive.manifest.missing_files
    if missing:
        notes.append(f"{len(missing)} files were missing at the export; their text is searchable.")
    return ImportReport(
        tenant=Tenant.objects.get(pk=work.tenant.pk),
        rows=work.rows,
        documents=len(work.keys),
        members=len(work.people.members),
        notes=notes,
    )


def _new_tenant(archive: Archive, slug: str, isolation: str) -> Tenant:
    """Checked, not saved. Raises ArchiveError, InvalidRequest, Conflict."""
    values = archive.manifest.tenant
    _check_schema(archive)
    try:
        given = set(SETTINGS) - (LATER_SETTINGS - values.keys())
        tenant = Tenant(**{name: values[name] for name in given})
        tenant.slug = slug or tenant.slug
        tenant.isolation = isolation or tenant.isolation
        check_slug(tenant.slug)
        level = isolation_of(tenant.isolation)
        tenant.schema_name = level.schema_name(tenant.slug)
        tenant.clean_fields(exclude=["provider"])
        _check_texts([tenant.name, *tenant.access_levels])
        clean_settings(tenant)
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise ArchiveError("The tenant's settings in the archive cannot be used.") from error
    if embedding_dimension(tenant.embedding_model) != tenant.embedding_dimension:
        raise ArchiveError("The archive's vectors are not of the model that it names.")
    if Tenant.objects.filter(slug=tenant.slug).exists():
        raise slug_taken(tenant.slug)
    tenant.provider = (
        Provider.objects.using("owner").filter(name=str(values.get("provider"))).first()
    )
    return tenant


def _check_texts(values: list[Any]) -> None:
    if any(not isinstance(value, str) or "\0" in value for value in values):
        raise ValueError


def _check_schema(archive: Archive) -> None:
    known = [migration.name for migration in compiled_migrations()]
    version = archive.manifest.schema_version
    if version not in known:
        raise ArchiveError(
            f"The archive's tables are at {version[:100]!r}, which this ragadmin does not know: "
            "update it to the version that made the archive, "
            f"{archive.manifest.ragadmin_version[:20]}, or a newer one.",
            code="archive_newer",
        )
    if version != known[-1]:
        raise ArchiveError(
            f"The archive's tables are at {version!r}, and here they are at {known[-1]!r}: "
            "import it with the ragadmin that made it, update that, and export it again.",
            code="archive_older",
        )


class _Import:
    def __init__(
        self,
        archive: Archive,
        tenant: Tenant,
        people: People,
        spending: Spending,
        new_ids: NewIds | None,
        progress: Progress,
    ) -> None:
        self.archive, self.tenant, self.people = archive, tenant, people
        self.spending = spending
        self.new_ids, self.progress = new_ids, progress
        self.keys: list[str] = []
        self.rows = 0

    def run(self, actor: User | str | None) -> None:
        try:
            with transaction.atomic(using="owner"), schema.owner().cursor() as cursor:
                level = isolation_of(self.tenant.isolation)
                self._begin(cursor, level)
                tables = read_tables(cursor, self.tenant.schema_name)
                self._check_columns(tables)
                for table in tables:
                    self._load(cursor, table, level)
                self._finish(cursor, level, tables, actor)
        except BaseException:
            if storage.delete_files(self.tenant.pk or 0, self.keys) == 0:
                storage.unmark_leftover(self.tenant.pk or 0)
            raise
        storage.unmark_leftover(self.tenant.pk)

    def run_with_new_ids(self, actor: User | str | None) -> None:
        try:
            self.run(actor)
        except IdsTaken as error:
            raise ArchiveError(f"Rows of {error} have the same id.") from error

    def _begin(self, cursor: CursorWrapper, level: Isolation) -> None:
        try:
            with transaction.atomic(using="owner"):
                self.tenant.save(using="owner", force_insert=True)
        except IntegrityError:
            raise slug_taken(self.tenant.slug) from None
        # Says that these files are in use, though nobody else sees the tenant yet.
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [TENANT_LOCK, self.tenant.pk])
        storage.mark_leftover(self.tenant.pk)
        level.prepare(cursor, self.tenant)
        self._enter(cursor)

    def _enter(self, cursor: CursorWrapper) -> None:
        cursor.execute(
            "SELECT set_config('ragadmin.tenant_id', %s, true),"
            " set_config('search_path', quote_ident(%s) || ', public, extensions', true)",
            [str(self.tenant.pk), self.tenant.schema_name],
        )

    def _check_columns(self, tables: tuple[Table, ...]) -> None:
        here = {table.name: sorted(set(table.columns) - {"tenant_id"}) for table in tables}
        there = {name: sorted(columns) for name, columns in self.archive.manifest.columns.items()}
        if here != there or self.archive.tables() != set(here):
            raise ArchiveError("The archive's tables are not those of its version.")

    def _load(self, cursor: CursorWrapper, table: Table, level: Isolation) -> None:
        editor = RowEditor(table, self.people.ids, self._store, self.new_ids)
        target = f'"{self.tenant.schema_name}".{table.name}'
        if table.name == CHUNKS:
            target = level.chunk_table(self.tenant)
        columns = [name for name in table.columns if name != "tenant_id"]
        with _readable_errors(table.name), closing(self.archive.lines(table.name)) as lines:
            edited = (editor.edit(line) for line in self._watched(lines))
            insert_rows(cursor, table, target, columns, edited)

    def _watched(self, lines: Iterator[str]) -> Iterator[str]:
        total = self.archive.count_rows()
        for line in lines:
            self.rows += 1
            if self.rows % 500 == 0:
                self.progress("rows", self.rows, total)
            yield line

    def _store(self, name: str) -> str:
        """Of a file that was missing at the export, the key that a file would have."""
        key = storage.new_file_key(self.tenant.pk)
        if self.archive.has_document(name):
            self.keys.append(key)
            with self.archive.document(name) as stream:
                key = self.keys[-1] = default_storage.save(key, File(stream, name="document"))
            storage.make_durable(key)
        return key

    def _finish(
        self,
        cursor: CursorWrapper,
        level: Isolation,
        tables: tuple[Table, ...],
        actor: User | str | None,
    ) -> None:
        self._check_references(cursor, tables, level)
        self._advance_sequence(cursor, level)
        for act in AFTER_IMPORT:
            act(cursor, self.tenant)
        for member in self.people.members:
            member.tenant_id = self.tenant.pk
            member.save(using="owner", force_insert=True)
        self.spending.save(self.tenant)
        record_event(
            "tenant.imported",
            actor=actor,
            tenant=self.tenant,
            target=self.tenant.slug,
            using="owner",
            rows=self.rows,
            documents=len(self.keys),
        )
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"SET LOCAL lock_timeout = '{ATTACH_SECONDS}s'")
        with _readable_errors(CHUNKS):
            level.attach(cursor, self.tenant)

    def _check_references(
        self, cursor: CursorWrapper, tables: tuple[Table, ...], level: Isolation
    ) -> None:
        """In a pool a foreign key is content with another tenant's row."""
        for table in tables:
            child = f'"{self.tenant.schema_name}".{table.name}'
            if table.name == CHUNKS:
                child = level.chunk_table(self.tenant)
            for reference in table.references:
                if len(reference.columns) > 1:
                    continue
                column, parent_column = (
                    "".join(reference.columns),
                    "".join(reference.parent_columns),
                )
                parent = f'"{self.tenant.schema_name}".{reference.parent}'
                cursor.execute(
                    f'SELECT 1 FROM {child} c WHERE c.tenant_id = %s AND c."{column}"'  # noqa: S608
                    f" IS NOT NULL AND NOT EXISTS (SELECT FROM {parent} p WHERE p.tenant_id = %s"
                    f' AND p."{parent_column}" = c."{column}") LIMIT 1',
                    [self.tenant.pk, self.tenant.pk],
                )
                if cursor.fetchone():
                    raise ArchiveError(
                        f"Rows of {table.name} refer to others that are not in the archive."
                    )

    def _advance_sequence(self, cursor: CursorWrapper, level: Isolation) -> None:
        cursor.execute(
            f"SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM {level.chunk_table(self.tenant)}"  # noqa: S608
            " WHERE tenant_id = %s",
            [self.tenant.pk],
        )
        lowest, highest = cursor.fetchone() or (0, 0)
        if lowest < 1 or highest > HIGHEST_ID:
            raise ArchiveError(f"Rows of {CHUNKS} have ids that no export has.")
        sequence = f'"{self.tenant.schema_name}".{CHUNKS}_id_seq'
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [SEQUENCE_LOCK])
        cursor.execute(
            f"SELECT setval('{sequence}', %s) FROM {sequence} WHERE last_value <= %s",  # noqa: S608
            [highest + STEP, highest],
        )


@contextmanager
def _readable_errors(table: str) -> Iterator[None]:
    """Raises ArchiveError for rows that do not fit, IdsTaken for ids of another tenant."""
    try:
        yield
    except IntegrityError as error:
        cause = error.__cause__
        if isinstance(cause, UniqueViolation) and _is_key(cause):
            raise IdsTaken(table) from error
        raise ArchiveError(
            f"Rows of {table} contradict each other: {_first_line(error)}"
        ) from error
    except (DataError, NotSupportedError) as error:
        raise ArchiveError(f"A row of {table} cannot be stored: {_first_line(error)}") from error


def _is_key(error: UniqueViolation) -> bool:
    return (error.diag.constraint_name or "").endswith("_pkey")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]

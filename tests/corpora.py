"""Documents for a new tenant: indexed for real once a session, and copied from then on.

To index two short ones costs 85 ms of CPU in this process alone, to copy what came of it 3.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from tenants.models import Tenant
from tenants.schema import owner
from tenants.storage import new_file_key
from tenants.tables import tenant_tables
from tests.documents import DOCUMENTS, upload_and_index

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.backends.utils import CursorWrapper

# Generated ones come by themselves.
COLUMNS = """
SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""


@dataclass
class Rows:
    """Of one table, as text. A column is its name and its type."""

    table: str
    columns: list[tuple[str, str]]
    rows: list[tuple[str | None, ...]]

    @property
    def names(self) -> str:
        return ", ".join(f'"{name}"' for name, _ in self.columns)


@dataclass
class Kept:
    revision: int
    read_at: datetime = field(default_factory=timezone.now)
    tables: list[Rows] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)


_kept: dict[Any, Kept] = {}


def give_documents(tenant: Tenant, documents: dict[str, tuple[str, str]] | None = None) -> None:
    """The tenant is new and has a schema of its own. Those of `DOCUMENTS`, unless it says which."""
    documents = documents or DOCUMENTS
    assert (tenant.isolation, tenant.corpus_revision) == ("schema", 0)
    key = (tuple(documents.items()), tenant.embedding_model, tenant.chunk_tokens)
    if key in _kept:
        _copy(_kept[key], tenant)
    else:
        upload_and_index(tenant, documents)
        _kept[key] = _read(tenant)
    tenant.refresh_from_db()


def _read(tenant: Tenant) -> Kept:
    kept = Kept(Tenant.objects.get(pk=tenant.pk).corpus_revision)
    with transaction.atomic(using="owner"), owner().cursor() as cursor:
        for table in tenant_tables():
            place = f'"{tenant.schema_name}"."{table}"'
            cursor.execute(COLUMNS, [place])
            found = Rows(table, cursor.fetchall(), [])
            texts = ", ".join(f'"{name}"::text' for name, _ in found.columns)
            cursor.execute(f"SELECT {texts} FROM {place}")
            found.rows = cursor.fetchall()
            if found.rows:
                kept.tables.append(found)
    for found in kept.tables:
        for row in found.rows:
            values = {name: value for (name, _), value in zip(found.columns, row, strict=True)}
            if key := values.get("storage_key"):
                with default_storage.open(key) as file:
                    kept.files[key] = file.read()
    return kept


def _copy(kept: Kept, tenant: Tenant) -> None:
    keys = {key: new_file_key(tenant.pk) for key in kept.files}
    for key, content in kept.files.items():
        default_storage.save(keys[key], ContentFile(content))
    later = timezone.now() - kept.read_at
    ids: dict[str, str] = defaultdict(lambda: str(uuid.uuid4()))
    with transaction.atomic(using="owner"), owner().cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # they refer to each other
        for found in kept.tables:
            changes = [_change(column, tenant, ids, keys, later) for column in found.columns]
            _insert(cursor, f'"{tenant.schema_name}"."{found.table}"', found, changes)
        served = {"corpus_revision": kept.revision, "last_served_at": timezone.now()}
        Tenant.objects.using("owner").filter(pk=tenant.pk).update(**served)


def _change(
    column: tuple[str, str],
    tenant: Tenant,
    ids: dict[str, str],
    keys: dict[str, str],
    later: timedelta,
) -> Callable[[str], str]:
    name, kind = column
    if name == "tenant_id":
        return lambda _: str(tenant.pk)
    if name == "storage_key":
        return keys.__getitem__
    if kind == "uuid":
        return ids.__getitem__
    if kind == "timestamp with time zone":
        return lambda moment: str(datetime.fromisoformat(moment) + later)
    return str


def _insert(
    cursor: CursorWrapper, place: str, found: Rows, changes: list[Callable[[str], str]]
) -> None:
    with cursor.copy(f"COPY {place} ({found.names}) FROM STDIN") as copy:
        for row in found.rows:
            values = zip(row, changes, strict=True)
            copy.write_row([None if old is None else change(old) for old, change in values])
    if ("id", "bigint") in found.columns:
        newest = f"(SELECT max(id) FROM {place})"
        cursor.execute(f"SELECT setval(pg_get_serial_sequence(%s, 'id'), {newest})", [place])

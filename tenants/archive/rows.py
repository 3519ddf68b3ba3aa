"""Rows of an archive on their way into the tables of a tenant."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tenants.archive.manifest import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from django.db.backends.utils import CursorWrapper

    from tenants.moving.tables import Table

BATCH_ROWS, BATCH_BYTES = 500, 2**22
FILE_COLUMN = "storage_key"
JSON_TYPES = {"json", "jsonb"}
# What rows name in JSON, by its key there; and of one table its own.
IDS_INSIDE = frozenset({"document_id", "entry_id"})
IDS_INSIDE_OF = {"retrieval_evaluation": frozenset({"id"})}
# Of a row in public, which is not carried over.
FOREIGN = "api_key_id"


@dataclass(frozen=True, slots=True)
class NewIds:
    """For a pool of tenants where the archive's ids are taken: another for each, always the same."""

    space: uuid.UUID = field(default_factory=uuid.uuid4)

    def of(self, value: Any) -> Any:
        return str(uuid.uuid5(self.space, value.lower())) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class RowEditor:
    """Changes what means something else here. `store` takes the archive's name of a file."""

    table: Table
    people: dict[int, int]
    store: Callable[[str], str]
    new_ids: NewIds | None

    def edit(self, line: str) -> str:
        if not self._edits:
            return line
        try:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise TypeError(type(row))
            self._edit(row)
            return json.dumps(row, ensure_ascii=False)
        except (ValueError, TypeError, RecursionError) as error:
            raise ArchiveError(f"A row of {self.table.name} is not what was exported.") from error

    @property
    def _edits(self) -> bool:
        columns = self.table.columns
        return bool(self.new_ids) or FILE_COLUMN in columns or "user_id" in columns

    def _edit(self, row: dict[str, Any]) -> None:
        if FILE_COLUMN in self.table.columns:
            row[FILE_COLUMN] = self.store(str(row[FILE_COLUMN]))
        if row.get("user_id") is not None:
            row["user_id"] = self.people.get(row["user_id"])
        if FOREIGN in row:
            row[FOREIGN] = None
        if self.new_ids:
            self._renew(row, self.new_ids)

    def _renew(self, row: dict[str, Any], new_ids: NewIds) -> None:
        for column in id_columns(self.table):
            row[column] = new_ids.of(row[column])
        names = IDS_INSIDE | IDS_INSIDE_OF.get(self.table.name, frozenset())
        for column, kind in self.table.types.items():
            if kind in JSON_TYPES:
                _renew_inside(row.get(column), new_ids, names)


def id_columns(table: Table) -> set[str]:
    """The row's own id and those of rows it refers to, by a foreign key or without one."""
    return {name for name, kind in table.types.items() if kind == "uuid" and name != FOREIGN}


def _renew_inside(value: Any, new_ids: NewIds, names: frozenset[str]) -> None:
    """A trace names its documents in JSON, and an evaluation its questions."""
    if isinstance(value, list):
        for each in value:
            _renew_inside(each, new_ids, names)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name in names:
                value[name] = new_ids.of(inner)
            else:
                _renew_inside(inner, new_ids, names)


def insert_rows(
    cursor: CursorWrapper, table: Table, target: str, columns: list[str], lines: Iterable[str]
) -> int:
    """`target` has the columns of `table`. The tenant in force becomes the rows' own."""
    names = ", ".join(f'"{name}"' for name in columns)
    statement = (
        f"INSERT INTO {target} ({names}) SELECT {names}"  # noqa: S608 - names from the catalog
        f" FROM json_populate_recordset(NULL::{target}, %s::json)"
    )
    total = 0
    for batch in _batches(lines):
        cursor.execute(statement, [f"[{','.join(batch)}]"])
        if cursor.rowcount != len(batch):
            raise ArchiveError(f"A row of {table.name} is not what was exported.")
        total += len(batch)
    return total


def _batches(lines: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch

"""The paths behind a run's counts, as its page shows them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from django.db.models import Q

from retrieval.models import Document
from retrieval.sync_selectors import run_errors, run_paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.models import SyncRun


@dataclass(frozen=True, slots=True)
class PathRow:
    """One path behind a count; of a failed one with its code and the reason."""

    path: str
    note: str
    document_id: object
    code: str = ""


def list_paths(run: SyncRun, kind: str, access_levels: Sequence[str]) -> list[PathRow]:
    """The reasons of what failed stand in a table of their own, once they are known."""
    entries = run_paths(run, kind, access_levels)
    if kind != "failed":
        return [PathRow(each.path, each.note, each.document_id) for each in entries]
    documents = {each.path: each.document_id for each in entries}
    errors = [
        PathRow(error.path, error.message, documents.get(error.path), error.code)
        for error in run_errors(run, access_levels)
    ]
    told = {row.path for row in errors}
    rest = [each for each in entries if each.path not in told]
    return [*errors, *(PathRow(each.path, each.note, each.document_id) for each in rest)]


def link_paths(run: SyncRun, rows: list[PathRow], levels: Sequence[str]) -> list[PathRow]:
    """Of one page: with the document that is there now, if there is one that may be seen."""
    named = Q(pk__in=[row.document_id for row in rows if row.document_id])
    unnamed = Q(source=run.source_id, path__in=[row.path for row in rows if not row.document_id])
    seen = Document.objects.filter(named | unnamed, access_level__in=levels)
    current = {path: pk for pk, path in seen.values_list("pk", "path")}
    found = set(map(str, current.values()))
    return [
        replace(
            row,
            document_id=row.document_id
            if str(row.document_id) in found
            else current.get(row.path, ""),
        )
        for row in rows
    ]

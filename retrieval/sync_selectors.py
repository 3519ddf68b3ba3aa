"""Reads of sources and sync runs, always within the access levels of the one who asks.

A source has an access level, and so have its runs; the paths of documents that were moved to another
level are left out one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import (
    Count,
    Exists,
    OuterRef,
    Prefetch,
    Q,
    Subquery,
    prefetch_related_objects,
)
from django.db.models.functions import Coalesce
from django.utils import timezone

from ragadmin.errors import InvalidRequest, NotFound
from retrieval.indexing.run_paths import KINDS, unpack
from retrieval.models import Document, Source, SyncError, SyncRun

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from django.db.models import QuerySet

# Before so many are done, a rate says nothing.
FEWEST_FOR_RATE = 3
HEAVY = ("paths", "confirmed")


@dataclass(frozen=True, slots=True)
class RunProgress:
    """`done` and `total` count documents that have to be read; of a listing, `total` is unknown."""

    stage: str
    done: int
    total: int | None
    embedded_chunks: int
    reused_chunks: int
    documents_a_minute: float | None
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class PathEntry:
    path: str
    note: str
    document_id: str | None


def visible_sources(access_levels: Sequence[str]) -> QuerySet[Source]:
    """By name, with `documents` and `failed_documents` counted: those that are visible too."""
    documents = Document.objects.filter(source=OuterRef("pk"), access_level__in=access_levels)
    found = Source.objects.filter(Q(access_level__in=access_levels) | Q(access_level=""))
    return found.annotate(
        documents=_count(documents),
        failed_documents=_count(documents.filter(status=Document.Status.FAILED)),
    ).order_by("name")


def _count(documents: QuerySet[Document]) -> Coalesce:
    """For each source by itself, from the index alone."""
    counted = documents.order_by().values("source").annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(counted), 0)


def find_source(source_id: UUID, access_levels: Sequence[str]) -> Source:
    """Raises NotFound, also for one out of sight."""
    source = visible_sources(access_levels).filter(pk=source_id).first()
    if source is None:
        raise NotFound("There is no such source, or you may not see it.")
    return source


def visible_runs(access_levels: Sequence[str]) -> QuerySet[SyncRun]:
    """Newest first, without their lists of paths."""
    seen = Q(source__access_level__in=access_levels) | Q(source__access_level="")
    runs = SyncRun.objects.filter(seen).select_related("source")
    return runs.defer(*HEAVY).order_by("-created_at", "id")


def filter_runs(runs: QuerySet[SyncRun], wanted: Mapping[str, str]) -> QuerySet[SyncRun]:
    """By `source` (its id), `status`, `trigger` and `changes` (any value). Raises InvalidRequest."""
    for name, choices in (("status", SyncRun.Status.values), ("trigger", SyncRun.Trigger.values)):
        value = wanted.get(name, "")
        if value and value not in choices:
            raise InvalidRequest(f"{name} is one of {', '.join(choices)}.", extra={"field": name})
    chosen = {name: wanted[name] for name in ("source", "status", "trigger") if wanted.get(name)}
    runs = runs.filter(**chosen)
    return runs.exclude(added=0, updated=0, deleted=0, failed=0) if wanted.get("changes") else runs


def last_runs(source_ids: Sequence[UUID]) -> dict[UUID, SyncRun]:
    """The newest of each source. One query, a probe of the index for each.

    Of dry runs only one that is not over: what one would have done is no state of the source.
    """
    runs = SyncRun.objects.exclude(dry_run=True, status__in=SyncRun.FINISHED)
    runs = runs.filter(source=OuterRef("pk")).order_by("-created_at")
    sources = Source.objects.filter(pk__in=source_ids)
    newest = sources.annotate(run=Subquery(runs.values("pk")[:1])).values("run")
    found = SyncRun.objects.filter(pk__in=newest).select_related("source").defer(*HEAVY)
    return {run.source_id: run for run in found}


def find_run(run_id: UUID, access_levels: Sequence[str]) -> SyncRun:
    """Raises NotFound, also for one out of sight."""
    run = visible_runs(access_levels).filter(pk=run_id).first()
    if run is None:
        raise NotFound("There is no such sync run, or you may not see it.")
    return run


def run_progress(run: SyncRun) -> RunProgress:
    """One query while documents are indexed, none before."""
    if run.status in SyncRun.FINISHED or run.stage != SyncRun.Stage.INDEXING:
        total = run.plan.get("added", 0) + run.plan.get("updated", 0) - run.plan.get("renamed", 0)
        is_over = run.status in SyncRun.FINISHED
        known = total if is_over or run.stage == SyncRun.Stage.APPLYING else None
        return RunProgress(
            run.stage, total if is_over else 0, known, run.embedded_chunks, run.reused_chunks,
            None, None,
        )  # fmt: skip
    done, waiting = _count_documents(run)
    rate, left = _rate(run, done, waiting)
    return RunProgress(
        run.stage, done, done + waiting, run.embedded_chunks, run.reused_chunks, rate, left
    )


def _count_documents(run: SyncRun) -> tuple[int, int]:
    documents = Document.objects.filter(sync_run=run).exclude(
        sync_action=Document.SyncAction.RENAME
    )
    counts = dict(documents.values_list("status").annotate(Count("pk")))
    waiting = sum(
        counts.get(status, 0) for status in (Document.Status.QUEUED, Document.Status.INDEXING)
    )
    return sum(counts.values()) - waiting, waiting


def _rate(run: SyncRun, done: int, waiting: int) -> tuple[float | None, float | None]:
    if done < FEWEST_FOR_RATE or run.started_at is None:
        return None, None
    before = sum(run.timings.get(stage, 0) for stage in ("planning", "applying")) / 1000
    seconds = (timezone.now() - run.started_at).total_seconds() - before
    if seconds <= 0:
        return None, None
    return done / seconds * 60, waiting * seconds / done


def run_paths(run: SyncRun, kind: str, access_levels: Sequence[str]) -> list[PathEntry]:
    """The paths behind one of a run's counts. Raises InvalidRequest."""
    if kind not in KINDS:
        raise InvalidRequest(f"kind is one of {', '.join(KINDS)}.", extra={"field": "kind"})
    hidden = _hidden_paths(run, access_levels)
    entries = unpack(run.paths)[kind]
    return [
        PathEntry(path, note, document_id or None)
        for path, note, document_id in entries
        if path not in hidden
    ]


def run_errors(run: SyncRun, access_levels: Sequence[str]) -> QuerySet[SyncError]:
    errors = SyncError.objects.filter(sync_run=run).order_by("path")
    return errors.exclude(path__in=_hidden_paths(run, access_levels))


def add_first_errors(runs: Sequence[SyncRun], access_levels: Sequence[str], most: int) -> None:
    """Puts up to `most` of each run's errors into its `first_errors`. One query for all runs."""
    of_others = Document.every.filter(
        source_id=OuterRef("sync_run__source_id"), path=OuterRef("path")
    ).exclude(access_level__in=access_levels)
    errors = SyncError.objects.filter(~Exists(of_others)).order_by("path")[:most]
    prefetch_related_objects(runs, Prefetch("errors", queryset=errors, to_attr="first_errors"))


def _hidden_paths(run: SyncRun, access_levels: Sequence[str]) -> set[str]:
    """Of documents that have another level than the one who asks: kept versions too."""
    others = Document.every.filter(source_id=run.source_id).exclude(access_level__in=access_levels)
    return set(others.values_list("path", flat=True))

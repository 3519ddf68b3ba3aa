"""A sync run as its page shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from django.utils import timezone

from retrieval.models import Document, SyncRun
from retrieval.run_figures import (
    CHANGES,
    WAITING,
    Bar,
    Count,
    Figure,
    count_all,
    list_bars,
    list_counts,
    list_figures,
    summarise,
    took_ms,
)
from retrieval.run_path_list import PathRow, list_paths
from retrieval.services.sync_runs import why_not_undo
from retrieval.sync_selectors import run_progress

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from retrieval.sync_selectors import RunProgress
    from tenants.models import Tenant

STAGES = {
    "": "Waiting for a worker",
    SyncRun.Stage.PLANNING: "Listing the source and comparing",
    SyncRun.Stage.APPLYING: "Writing down what is to be done",
    SyncRun.Stage.INDEXING: "Reading, splitting and embedding documents",
}
QUICK_SECONDS, SLOW_SECONDS = 2, 5
QUICK_UNTIL = timedelta(minutes=1)
# Of what a run would delete, the page that asks shows so many at once.
SHOWN_DELETED = 5
# Progress is told to screen readers at each of these steps, not at each look.
TOLD_PERCENT = 25
ADVICE = {
    "private_address": "Sources may only be read from public addresses. An operator can allow "
    "this one by RAGADMIN_PRIVATE_HOSTS.",
    "outside_roots": "An operator sets the folders that may be read by RAGADMIN_SYNC_ROOTS.",
    "credentials": "Enter the credentials anew, then sync again.",
}
DEFAULT_ADVICE = (
    "See that the source is there and can be reached from this server, then sync again. "
    "A scheduled source is tried again at its next turn."
)


@dataclass(frozen=True, slots=True)
class Kept:
    """What an undo would bring back."""

    deleted: int
    replaced: int

    @property
    def total(self) -> int:
        return self.deleted + self.replaced

    @property
    def words(self) -> str:
        counts = {"deleted": self.deleted, "replaced": self.replaced}
        said = [f"{what} {number:,}" for what, number in counts.items() if number]
        return f"{' and '.join(said)} document{'' if self.total == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class RunView:
    run: SyncRun
    progress: RunProgress | None
    counts: list[Count]
    figures: list[Figure]
    bars: list[Bar]
    kept: Kept
    told: str
    poll_seconds: int
    first_deleted: list[PathRow]

    @property
    def is_over(self) -> bool:
        return self.run.status in SyncRun.FINISHED

    @property
    def is_waiting(self) -> bool:
        """For a worker, or at work: the page looks again by itself."""
        return bool(self.poll_seconds)

    @property
    def stage(self) -> str:
        if self.run.cancel_requested and not self.is_over:
            return "Cancelling"
        return STAGES.get(self.run.stage if self.run.status == "running" else "", STAGES[""])

    @property
    def path_state(self) -> str:
        """Of which the lists of paths are: none, what is planned, what happened."""
        return "done" if self.is_over else "planned" if self.run.plan else "none"

    @property
    def headline(self) -> str:
        return summarise(self.run).capitalize()

    @property
    def has_changes(self) -> bool:
        return any(getattr(self.run, kind) for kind in CHANGES)

    @property
    def done_words(self) -> str:
        """Of a run in which something failed: what went well."""
        return list_counts(self.run, (*CHANGES, "unchanged")) or "there was nothing else"

    @property
    def failed_words(self) -> str:
        return "What was done before stays." if self.has_changes else "Nothing was changed."

    @property
    def left(self) -> str:
        """How long it will take."""
        seconds = self.progress.seconds_left if self.progress else None
        if seconds is None:
            return ""
        if seconds < 60:
            return f"about {max(round(seconds), 1)} s left"
        return f"about {round(seconds / 60)} min left"

    @property
    def kept_until(self) -> datetime | None:
        """As long as it can be undone."""
        finished = self.run.finished_at
        return finished and (finished + timedelta(days=self.run.source.keep_days)).astimezone(UTC)

    @property
    def advice(self) -> str:
        return ADVICE.get(self.run.error_code, DEFAULT_ADVICE)

    @property
    def plan_reason(self) -> str:
        return self.run.plan.get("reason", "")

    @property
    def took_ms(self) -> float | None:
        return took_ms(self.run)

    @property
    def can_retry(self) -> bool:
        return self.run.status == SyncRun.Status.PARTIAL

    @property
    def can_undo(self) -> bool:
        return self.kept.total > 0


def view_run(run: SyncRun, tenant: Tenant, access_levels: Sequence[str]) -> RunView:
    is_waiting = run.status in WAITING
    asks = run.status == SyncRun.Status.NEEDS_CONFIRMATION
    progress = run_progress(run) if run.status == SyncRun.Status.RUNNING else None
    return RunView(
        run=run,
        progress=progress,
        counts=count_all(run),
        figures=list(list_figures(run, tenant)),
        bars=list(list_bars(run.timings)),
        kept=count_kept(run),
        told=_tell(run, progress),
        poll_seconds=_poll_seconds(run) if is_waiting else 0,
        first_deleted=list_paths(run, "deleted", access_levels)[:SHOWN_DELETED] if asks else [],
    )


def count_kept(run: SyncRun) -> Kept:
    """A version whose name has a current document again was replaced, the others were deleted."""
    if why_not_undo(run):
        return Kept(0, 0)
    kept = Document.kept.filter(removed_by=run.pk)
    current = Document.objects.filter(source=run.source_id).values("external_id")
    total, replaced = kept.count(), kept.filter(external_id__in=current).count()
    return Kept(total - replaced, replaced)


def _tell(run: SyncRun, progress: RunProgress | None) -> str:
    """For screen readers. Changes seldom, so that it is not read out again and again."""
    said = run.status.replace("_", " ").capitalize()
    if run.status in SyncRun.FINISHED and run.status != SyncRun.Status.FAILED:
        return f"{said}: {summarise(run)}."
    if progress is None or not progress.total:
        return f"{said}."
    step = 100 * progress.done // progress.total // TOLD_PERCENT * TOLD_PERCENT
    return f"{STAGES[run.stage]}: {step} percent."


def _poll_seconds(run: SyncRun) -> int:
    age = timezone.now() - (run.started_at or run.created_at)
    return QUICK_SECONDS if age < QUICK_UNTIL else SLOW_SECONDS

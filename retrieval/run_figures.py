"""The numbers of sync runs: their counts, what they planned and spent, and where the time went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from ragadmin.templatetags.ui import file_size, usd
from retrieval.models import SyncRun
from retrieval.query.pricing import FREE_EMBEDDERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.utils.safestring import SafeString

    from tenants.models import Tenant

# For a worker, or at work. One that waits for a person is looked at when the person acts.
WAITING = (SyncRun.Status.QUEUED, SyncRun.Status.RUNNING)
COUNTS = ("added", "updated", "deleted", "unchanged", "failed")
CHANGES = ("added", "updated", "deleted")
STAGE_NAMES = {"planning": "List and compare", "applying": "Write down", "indexing": "Index"}
FREE = "free (local model)"


@dataclass(frozen=True, slots=True)
class Count:
    kind: str
    number: int

    @property
    def label(self) -> str:
        return self.kind.capitalize()


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of plan and receipt side by side; "" where one of them says nothing.

    `kind` names the paths behind the number.
    """

    label: str
    planned: str | SafeString
    actual: str | SafeString = ""
    kind: str = ""
    is_detail: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    name: str
    start: float
    width: float
    milliseconds: float


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as one line of a list."""

    run: SyncRun
    summary: str
    took_ms: float | None
    cost: str | SafeString
    counts: list[Count]

    @property
    def is_quiet(self) -> bool:
        """It went well and changed nothing."""
        run = self.run
        is_same = not (run.added or run.updated or run.deleted or run.failed)
        return run.status == SyncRun.Status.SUCCEEDED and is_same

    @property
    def is_waiting(self) -> bool:
        return self.run.status in WAITING


def list_rows(runs: Iterable[SyncRun], tenant: Tenant) -> list[RunRow]:
    return [
        RunRow(
            run=run,
            summary=_outcome(run),
            took_ms=took_ms(run),
            cost=cost_words(tenant, run.cost_usd),
            counts=count_all(run),
        )
        for run in runs
    ]


def _outcome(run: SyncRun) -> str:
    if run.status not in SyncRun.FINISHED:
        return ""
    return run.error_message if run.status == SyncRun.Status.FAILED else summarise(run)


def count_all(run: SyncRun) -> list[Count]:
    return [Count(kind, getattr(run, kind)) for kind in COUNTS]


def summarise(run: SyncRun) -> str:
    """What came of it; that nothing did is good news."""
    said = list_counts(run, (*CHANGES, "failed"))
    if run.dry_run:
        return said.replace(" ", " would be ", 1) or "nothing would change"
    return said or "nothing changed"


def list_counts(run: SyncRun, kinds: Iterable[str]) -> str:
    found = [(kind, getattr(run, kind)) for kind in kinds]
    return ", ".join(f"{number:,} {kind}" for kind, number in found if number)


def took_ms(run: SyncRun) -> float | None:
    if run.started_at is None:
        return None
    return ((run.finished_at or timezone.now()) - run.started_at).total_seconds() * 1000


def is_free(tenant: Tenant) -> bool:
    return tenant.embedding_model.startswith(FREE_EMBEDDERS)


def cost_words(tenant: Tenant, cost: Any) -> str | SafeString:
    if is_free(tenant):
        return FREE
    return "price not known" if cost is None else usd(cost)


def list_figures(run: SyncRun, tenant: Tenant) -> Iterator[Figure]:
    """The receipt is written when the run is over, but for what is counted as it goes."""
    plan, is_over = run.plan, run.status in SyncRun.FINISHED
    if not plan:
        return
    for kind in (*COUNTS, "skipped"):
        number = plan.get(kind, 0)
        actual = f"{getattr(run, kind, number):,}" if is_over and not run.dry_run else ""
        has_paths = (actual or f"{number:,}") != "0"
        yield Figure(kind.capitalize(), f"{number:,}", actual, kind if has_paths else "")
        if kind == "updated" and plan.get("renamed"):
            yield Figure("of these only renamed", f"{plan['renamed']:,}", is_detail=True)
    yield Figure("Listed at the source", f"{plan.get('listed', 0):,}")
    yield Figure("Read to compare", f"{plan.get('read', 0):,}")
    yield Figure("To be read and indexed", file_size(plan.get("bytes", 0)))
    yield from _spent(run, tenant)


def _spent(run: SyncRun, tenant: Tenant) -> Iterator[Figure]:
    plan = run.plan
    if not run.dry_run:
        yield Figure("Passages embedded", "", f"{run.embedded_chunks:,}")
        yield Figure("Passages reused", "", f"{run.reused_chunks:,}")
    tokens = plan.get("tokens") or 0
    yield Figure(
        "Tokens embedded",
        f"about {tokens:,}" if tokens else "0",
        "" if run.dry_run else f"{run.embedded_tokens:,}",
    )
    is_settled = run.status in SyncRun.FINISHED and not run.dry_run
    yield Figure(
        "Cost",
        cost_words(tenant, plan.get("cost_usd")),
        cost_words(tenant, run.cost_usd) if is_settled else "",
    )


def list_bars(timings: dict[str, Any]) -> Iterator[Bar]:
    """One after the other on a scale of 0 to 100, each wide enough to be seen."""
    spent = [(name, float(timings[name])) for name in STAGE_NAMES if name in timings]
    whole, start = sum(ms for _, ms in spent) or 1.0, 0.0
    for name, ms in spent:
        width = max(100 * ms / whole, 0.5)
        yield Bar(STAGE_NAMES[name], min(start, 99.5), width, ms)
        start += width

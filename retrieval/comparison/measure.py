"""One comparison from its beginning to the removal of everything that it made."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING, Any

from ragadmin.errors import RagadminError
from retrieval.comparison.corpus import prepare_corpus
from retrieval.comparison.plan import Plan
from retrieval.comparison.runs import Cancelled, Progress, finish_comparison, merge
from retrieval.comparison.searches import measure_connection, measure_search
from retrieval.comparison.storage import Catalog, measure_storage, read_catalog
from retrieval.comparison.temporary import add_tenant, drop_tenant, fill_tenant, remove_all
from tenants.access import tenant_config
from tenants.audit import record_event
from tenants.isolation.levels import LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from retrieval.comparison.corpus import Corpus
    from tenants.models import IsolationComparison, Tenant

# How much of the progress bar a measured point takes, in tenants made.
POINT_STEPS = 20
# Of the tenant that each measured one is compared with: the level that a tenant has by default.
REFERENCE_LEVEL = "schema"
# How many of the other tenants' sizes are looked at.
SIZED = 3


def compare(
    run: IsolationComparison,
    listener: Callable[[str], None] | None = None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> IsolationComparison:
    """Measures as the run's settings say. Raises Cancelled, and whatever went wrong; in any case
    no tenant of it is left."""
    settings = run.results["settings"]
    plan = Plan(**settings | {"tenants": tuple(settings["tenants"])})
    progress = Progress(run, _count_steps(plan), listener, is_stopping)
    start = time.monotonic()
    state, values = "failed", {"error": "The comparison broke off: the log has the reason."}
    try:
        remove_all(progress.tell)
        corpus = prepare_corpus(plan.documents, progress.step)
        merge(run, chunks=corpus.chunk_count)
        reference = _add_reference(corpus)
        rows: list[dict[str, Any]] = []
        for level in LEVELS:
            for row in _Level(level, plan, corpus, progress, reference).measure():
                rows.append(row)
                merge(run, rows=rows)
        state, values = "done", {}
    except (Cancelled, KeyboardInterrupt, SystemExit):
        state, values = "cancelled", {}
        raise
    except RagadminError as error:
        values = {"error": error.message}
        raise
    finally:
        left = remove_all(progress.tell)
        seconds = round(time.monotonic() - start, 1)
        finish_comparison(run, state, seconds=seconds, left_tenants=left, **values)
        record_event("isolation.compared", actor=None, target=f"comparison {run.pk}", state=state)
    return run


def _add_reference(corpus: Corpus) -> Tenant:
    tenant, _ = add_tenant(REFERENCE_LEVEL)
    fill_tenant(tenant, corpus.documents)
    # The planner knows it as well as it knows the measured ones, or they would seem the faster.
    measure_storage(tenant)
    return tenant


def _count_steps(plan: Plan) -> int:
    level = 2 * max(plan.tenants) + len(plan.tenants) * (POINT_STEPS + 2 * plan.samples)
    return plan.documents + len(LEVELS) * level


class _Level:
    """One level with more and more tenants, of which the first is measured."""

    def __init__(
        self, level: str, plan: Plan, corpus: Corpus, progress: Progress, reference: Tenant
    ) -> None:
        self._level, self._plan, self._corpus, self._progress = level, plan, corpus, progress
        self._reference = tenant_config(reference)
        self._tenants: list[Tenant] = []
        self._empty = Catalog(0, 0)

    def measure(self) -> Iterator[dict[str, Any]]:
        # Makes the pool if there is none, and compiles the tables: neither is a tenant's cost.
        drop_tenant(add_tenant(self._level)[0])
        self._empty = read_catalog()
        for count in self._plan.tenants:
            self._grow(count)
            yield self._measure_point(count)
        self._shrink()

    def _grow(self, count: int) -> None:
        while len(self._tenants) < count:
            tenant, _ = add_tenant(self._level)
            fill_tenant(tenant, self._corpus.small if self._tenants else self._corpus.documents)
            self._tenants.append(tenant)
            self._progress.step(f"{self._level}: {len(self._tenants)} of {count} tenants")

    def _shrink(self) -> None:
        total = len(self._tenants)
        while self._tenants:
            drop_tenant(self._tenants.pop())
            self._progress.step(f"{self._level}: removing, {len(self._tenants)} of {total} left")

    def _measure_point(self, count: int) -> dict[str, Any]:
        measured, others = self._tenants[0], self._tenants[1:]
        self._progress.step(f"{self._level}: measuring with {count} tenants", POINT_STEPS)
        measured.refresh_from_db()
        row = {"level": self._level, "tenants": count} | self._measure_space(measured, others)
        config = tenant_config(measured)
        row |= asyncio.run(
            measure_search(config, self._reference, self._corpus, self._plan.questions)
        )
        configs = [tenant_config(tenant) for tenant in others]
        row |= asyncio.run(measure_connection(configs, self._corpus))
        return row | self._measure_making()

    def _measure_space(self, measured: Tenant, others: list[Tenant]) -> dict[str, Any]:
        catalog, count = read_catalog(), len(self._tenants)
        small = [measure_storage(tenant) for tenant in others[-SIZED:]]
        return {
            "storage_bytes": measure_storage(measured),
            "small_storage_bytes": statistics.median(small) if small else None,
            "catalog_rows": max(0, catalog.rows - self._empty.rows) / count,
            "catalog_bytes": max(0.0, catalog.bytes - self._empty.bytes) / count,
            "catalog_rows_in_all": catalog.rows,
            "catalog_bytes_in_all": catalog.bytes,
        }

    def _measure_making(self) -> dict[str, Any]:
        """Tenants beyond those that are there."""
        made, creates, deletes = [], [], []
        for _ in range(self._plan.samples):
            tenant, seconds = add_tenant(self._level)
            fill_tenant(tenant, self._corpus.small)
            made.append(tenant)
            creates.append(seconds)
            self._progress.step(f"{self._level}: timing how a tenant is made")
        for tenant in made:
            deletes.append(drop_tenant(tenant))
            self._progress.step(f"{self._level}: timing how a tenant is deleted")
        return {
            "create_ms": statistics.median(creates) * 1000,
            "delete_ms": statistics.median(deletes) * 1000,
        }

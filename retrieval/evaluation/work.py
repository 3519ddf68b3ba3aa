"""A run worked off, by a worker or in the foreground: claimed by a lease, asked slice by slice."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from django.db import connection
from django.db.models.functions import Now

from ragadmin.errors import RagadminError, SchemaMissing, TenantNotSet
from retrieval.evaluation.ask import AT_ONCE, BudgetShort, Trial, ask_all
from retrieval.evaluation.configuration import describe, is_same, trial_of
from retrieval.evaluation.runs import append_results, book_results, end_run
from retrieval.models import Evaluation, GoldenQuestion
from retrieval.query.lifespan import close_all
from tenants.access import tenant_config
from tenants.context import tenant_context
from tenants.models import EvaluationJob, Tenant
from tenants.pool import open_pool

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from tenants.context import TenantLike

log = structlog.get_logger("ragadmin.evaluation")

# A slice of questions is asked in a fraction of it, also by a model that takes a minute for each.
LEASE_SECONDS = 900
SLICE = 2 * AT_ONCE
MAX_ATTEMPTS = 3
# The oldest that waits; of one tenant one at a time.
CLAIM = """
UPDATE public.tenants_evaluationjob SET attempts = attempts + 1, lease_holder = %(holder)s,
    lease_until = now() + make_interval(secs => %(seconds)s)
WHERE id = (
    SELECT job.id FROM public.tenants_evaluationjob job
    JOIN public.tenants_tenant tenant ON tenant.id = job.tenant_id
    WHERE job.available_at <= now() AND (job.lease_until IS NULL OR job.lease_until < now())
        AND tenant.status = 'active' AND (%(tenant)s::bigint IS NULL OR job.tenant_id = %(tenant)s)
        AND NOT EXISTS (
            SELECT FROM public.tenants_evaluationjob other
            WHERE other.tenant_id = job.tenant_id
                AND (other.lease_until > now() AND other.id <> job.id OR other.id < job.id))
    ORDER BY job.available_at, job.id LIMIT 1 FOR UPDATE OF job SKIP LOCKED)
RETURNING id, tenant_id, evaluation_id, attempts
"""


@dataclass(frozen=True, slots=True)
class Claim:
    job_id: int
    tenant: Tenant
    evaluation_id: UUID
    attempts: int
    holder: str


def run_next(
    worker: str,
    tenant: TenantLike | None = None,
    *,
    tell: Callable[[Evaluation], None] = lambda _: None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> bool:
    """Works off one run, of `tenant` or of any. False when none waits. `tell` is called with each
    slice; when `is_stopping` the run is given back, and goes on elsewhere."""
    claim = claim_next(worker, tenant)
    if claim is None:
        return False
    try:
        _work_off(claim, tell, is_stopping)
    except TenantNotSet:  # deleted meanwhile
        EvaluationJob.objects.filter(pk=claim.job_id).delete()
    except SchemaMissing as error:  # it waits for its tables, and others are next
        log.warning("evaluation_waits", tenant=claim.tenant.slug, reason=error.code)
    except RagadminError as error:
        _end(claim, Evaluation.Status.FAILED, error.message)
    return True


def claim_next(worker: str, tenant: TenantLike | None = None) -> Claim | None:
    holder = f"{worker[:150]}/{uuid.uuid4().hex[:12]}"
    names = {"holder": holder, "seconds": LEASE_SECONDS, "tenant": tenant.id if tenant else None}
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, names)
        row = cursor.fetchone()
    if row is None:
        return None
    job_id, tenant_id, evaluation_id, attempts = row
    return Claim(job_id, Tenant.objects.get(pk=tenant_id), evaluation_id, attempts, holder)


def release_leases(worker: str) -> int:
    """For a worker that starts: what it held before was lost with its last process."""
    mine = EvaluationJob.objects.filter(lease_holder__startswith=f"{worker[:150]}/")
    return mine.update(lease_until=None, lease_holder="")


def has_claimable() -> bool:
    return EvaluationJob.objects.filter(available_at__lte=Now(), lease_until=None).exists() or (
        EvaluationJob.objects.filter(lease_until__lt=Now()).exists()
    )


def _work_off(
    claim: Claim, tell: Callable[[Evaluation], None], is_stopping: Callable[[], bool]
) -> None:
    if claim.attempts > MAX_ATTEMPTS:
        _end(claim, Evaluation.Status.FAILED, "Its worker was ended three times.")
        return
    begun = _begin(claim)
    if begun is None:
        return
    run, trial, waiting = begun
    with asyncio.Runner() as runner:
        runner.run(_open())
        try:
            while waiting:
                if is_stopping():
                    _give_back(claim)
                    return
                part, waiting = waiting[:SLICE], waiting[SLICE:]
                if not _ask(claim, run, runner, trial, part):
                    return
                tell(run)
        finally:
            runner.run(close_all())
    problem = _why_nothing_was_measured(run.results)
    _end(claim, Evaluation.Status.FAILED if problem else Evaluation.Status.SUCCEEDED, problem)


def _why_nothing_was_measured(results: list[dict[str, Any]]) -> str:
    """Of a run that nothing can be compared with: the next one would hide what got worse."""
    if not results:
        return "There were no golden questions left to ask."
    errors = [each["error"] for each in results]
    return "" if None in errors else f"No question could be asked. {errors[0]['message']}"


async def _open() -> None:
    await open_pool(size=AT_ONCE)


def _begin(claim: Claim) -> tuple[Evaluation, Trial, list[GoldenQuestion]] | None:
    """The questions that are left. What was asked with other settings, before they were changed, is
    asked again. None for a run that is over. Raises InvalidRequest, Conflict."""
    with tenant_context(claim.tenant):
        run = Evaluation.objects.select_for_update().filter(id=claim.evaluation_id).first()
        if run is None or run.status not in (Evaluation.Status.QUEUED, Evaluation.Status.RUNNING):
            EvaluationJob.objects.filter(pk=claim.job_id).delete()
            return None
        trial = trial_of(tenant_config(claim.tenant), claim.tenant, run.changes)
        configuration = describe(trial)
        if not is_same(run.configuration, configuration):
            run.configuration, run.results, run.done = configuration, [], 0
        asked = {each["id"] for each in run.results}
        golden = list(GoldenQuestion.objects.filter(is_active=True).order_by("created_at", "id"))
        run.questions = len(golden)
        run.status = Evaluation.Status.RUNNING
        run.save(update_fields=["configuration", "results", "done", "questions", "status"])
        Evaluation.objects.filter(id=run.id, started_at=None).update(started_at=Now())
    return run, trial, [each for each in golden if str(each.id) not in asked]


def _ask(
    claim: Claim,
    run: Evaluation,
    runner: asyncio.Runner,
    trial: Trial,
    part: list[GoldenQuestion],
) -> bool:
    """False when it does not go on: cancelled, another's by now, or the budget is short."""
    short = ""
    try:
        results = runner.run(ask_all(trial, part))
    except BudgetShort as error:
        results, short = error.extra["results"], error.message
    except RagadminError as error:
        with tenant_context(claim.tenant):
            book_results(run.id, error.extra.pop("results", []))
        raise
    if not _note(claim, run, results):
        return False
    if short:
        _end(claim, Evaluation.Status.FAILED, f"Stopped by the budget. {short}")
    return not short


def _note(claim: Claim, run: Evaluation, results: list[dict[str, Any]]) -> bool:
    with tenant_context(claim.tenant):
        book_results(run.id, results)
        own = EvaluationJob.objects.filter(pk=claim.job_id, lease_holder=claim.holder)
        # What was noted is progress: only a run that gets nowhere is given up.
        if not own.update(lease_until=Now() + timedelta(seconds=LEASE_SECONDS), attempts=1):
            return False
        if not append_results(run, results):
            return False
    run.results += results
    run.done += len(results)
    return True


def _give_back(claim: Claim) -> None:
    own = EvaluationJob.objects.filter(pk=claim.job_id, lease_holder=claim.holder)
    own.update(lease_until=None, lease_holder="", attempts=0)


def _end(claim: Claim, status: str, error: str = "") -> None:
    with tenant_context(claim.tenant):
        end_run(claim.evaluation_id, status, error)

"""Runs over the golden questions as rows: begun, found, cancelled, ended. With the tenant in force.

A run that is not over has a job in public (`EvaluationJob`), which a worker holds by a lease. What it
has asked is on the run after each slice of questions, so that another goes on from there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models.functions import Now

from ragadmin.errors import Conflict, NotFound
from retrieval import events
from retrieval.bookkeeping import book
from retrieval.evaluation.configuration import describe, is_same, trial_of
from retrieval.evaluation.summary import sum_up
from retrieval.models import Evaluation, GoldenQuestion
from tenants.access import tenant_config
from tenants.audit import record_event
from tenants.context import current_tenant
from tenants.models import EvaluationJob, Tenant

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from django.db.models import QuerySet

    from tenants.models import User

TRIAL = "trial"
UNFINISHED = (Evaluation.Status.QUEUED, Evaluation.Status.RUNNING)
BEGIN_LOCK = 0x6576
# With their results, which are the bulk of a run.
KEPT = 200
APPEND = """
UPDATE retrieval_evaluation SET results = results || %s::jsonb, done = done + %s
WHERE id = %s AND status = 'running'
"""
# The answers are left where they are.
VERDICTS = """
SELECT result->>'id', (result->>'is_right')::boolean
FROM retrieval_evaluation, jsonb_array_elements(results) AS result WHERE id = %s
"""


def begin_evaluation(
    *,
    trigger: str,
    created_by: str,
    actor: User | str | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Raises Conflict: no golden questions, or a run is waiting or going on; InvalidRequest."""
    changes = dict(changes or {})
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [BEGIN_LOCK, current_tenant().id])
    if (open_run := unfinished_run()) is not None:
        raise Conflict(
            "The golden questions are being asked already: wait for it, or cancel it.",
            code="evaluation_running",
            extra={"evaluation": str(open_run.id)},
        )
    tenant = Tenant.objects.get(pk=current_tenant().id)
    if tenant.status != Tenant.Status.ACTIVE:
        raise Conflict("The tenant is suspended: nothing is asked.", code="tenant_suspended")
    trial_of(tenant_config(tenant), tenant, changes)
    if changes and fresh_baseline() is None:
        # In line before the trial, so that both are measured on the same documents.
        _enqueue("hand" if trigger == TRIAL else trigger, created_by, {})
    run = _enqueue(trigger, created_by, changes)
    record_event("evaluation.started", actor=actor, tenant=tenant, target=str(run.id))
    return run


def _enqueue(trigger: str, created_by: str, changes: dict[str, Any]) -> Evaluation:
    questions = GoldenQuestion.objects.filter(is_active=True).count()
    if not questions:
        raise Conflict(
            "There are no golden questions to ask: add some first.", code="no_golden_questions"
        )
    run = Evaluation.objects.create(
        trigger=trigger, created_by=created_by[:254], changes=changes, questions=questions
    )
    EvaluationJob.objects.create(tenant_id=current_tenant().id, evaluation_id=run.id)
    return run


def list_runs() -> QuerySet[Evaluation]:
    """Newest first, without their results."""
    return Evaluation.objects.defer("results").order_by("-created_at", "-id")


def find_run(run_id: UUID) -> Evaluation:
    """Its results are read when they are asked for: a page that waits needs none. Raises NotFound."""
    run = list_runs().filter(id=run_id).first()
    if run is None:
        raise NotFound("There is no such evaluation.")
    return run


def unfinished_run() -> Evaluation | None:
    return list_runs().filter(status__in=UNFINISHED).order_by("created_at", "id").first()


def baseline_of(run: Evaluation) -> Evaluation | None:
    """What a run that came to its end is compared with: such a one before it, with the settings in
    force. One that was cut short asked others than that, and its figures say less."""
    if run.status != Evaluation.Status.SUCCEEDED:
        return None
    ended = Evaluation.objects.filter(status=Evaluation.Status.SUCCEEDED, changes={})
    before = ended.filter(created_at__lte=run.created_at).exclude(id=run.id)
    return before.order_by("-created_at", "-id").first()


def fresh_baseline() -> Evaluation | None:
    """The newest run with the settings in force, if it holds for the present settings, documents and
    golden questions."""
    ended = Evaluation.objects.filter(status=Evaluation.Status.SUCCEEDED, changes={})
    newest = ended.order_by("-created_at", "-id").first()
    if newest is None:
        return None
    tenant = Tenant.objects.get(pk=current_tenant().id)
    present = describe(trial_of(tenant_config(tenant), tenant, {}))
    is_current = (
        is_same(newest.configuration, present)
        and newest.configuration.get("corpus_revision") == present["corpus_revision"]
        and not GoldenQuestion.objects.filter(updated_at__gte=newest.started_at).exists()
        and newest.done == GoldenQuestion.objects.filter(is_active=True).count()
        and not newest.summary.get("errors")
    )
    return newest if is_current else None


def append_results(run: Evaluation, results: list[dict[str, Any]]) -> bool:
    """False if the run was ended meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute(APPEND, [json.dumps(results), len(results), run.id])
        return cursor.rowcount == 1


def book_results(run_id: UUID, results: list[dict[str, Any]]) -> None:
    """What was paid for them, whatever becomes of the run."""
    paid = [{"asked_at": each["asked_at"], "calls": each["calls"]} for each in results]
    book(events.ledger.spent, entry="evaluation", subject_id=run_id, paid=json.dumps(paid))


def end_run(run_id: UUID, status: str, error: str = "") -> Evaluation:
    """With the figures of what was asked. One that is over stays as it is."""
    run = Evaluation.objects.select_for_update().get(id=run_id)
    if run.status in UNFINISHED:
        Evaluation.objects.filter(id=run_id).update(
            status=status,
            error=error[:300],
            summary=sum_up(run.results) if run.results else {},
            finished_at=Now(),
        )
        run.refresh_from_db()
    EvaluationJob.objects.filter(tenant_id=current_tenant().id, evaluation_id=run_id).delete()
    kept = Evaluation.objects.order_by("-created_at", "-id").values("id")[:KEPT]
    Evaluation.objects.exclude(id__in=kept).delete()
    return run


def cancel_run(run_id: UUID) -> Evaluation:
    """What was asked is kept. Raises NotFound, and Conflict for one that is over."""
    run = find_run(run_id)
    if run.status not in UNFINISHED:
        raise Conflict("This evaluation is over.", code="evaluation_over")
    return end_run(run_id, Evaluation.Status.CANCELLED)


def last_verdicts() -> dict[str, bool | None]:
    """Of each golden question by id, as the newest run with the settings in force judged it."""
    ended = Evaluation.objects.filter(status=Evaluation.Status.SUCCEEDED, changes={})
    newest = ended.order_by("-created_at", "-id").values_list("id", flat=True).first()
    with connection.cursor() as cursor:
        cursor.execute(VERDICTS, [newest])
        return dict(cursor.fetchall())

"""Diagnoses, one after another, in the background. No connection is held while a model is waited for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog
from django.utils import timezone

from ragadmin.errors import RagadminError
from retrieval.background import run_alone
from retrieval.diagnosis.case import read_case
from retrieval.diagnosis.evidence import gather_evidence
from retrieval.diagnosis.shown import part_left_out
from retrieval.diagnosis.verdict import Diagnosis, Verdict, believe_model, judge, read_versions
from retrieval.diagnosis.words import explain
from retrieval.models import Feedback
from tenants.access import tenant_config
from tenants.context import tenant_context
from tenants.models import Tenant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from retrieval.diagnosis.case import Case
    from retrieval.diagnosis.evidence import Evidence
    from tenants.config import TenantConfig

log = structlog.get_logger("ragadmin.diagnosis")

# In one turn of a worker. After so many failures that may pass, such as an embedder that is away, the
# others wait for the next turn.
MOST_AT_ONCE = 50
MOST_FAILURES = 3


def diagnose(tenant: Tenant, trace_id: UUID) -> str:
    """The diagnosis, which is stored as well; empty where the answer is not rated down.

    Raises ProviderError, ConfigurationError or Unavailable while nothing can be said.
    """
    with tenant_context(tenant):
        case = read_case(trace_id)
    if case is None:
        return ""
    config = tenant_config(tenant)
    verdict, evidence = _verdict(tenant, config, case)
    with tenant_context(tenant):
        _store(case, verdict, evidence, config)
    return verdict.diagnosis


def mark_waiting(tenant_id: int) -> None:
    """After the rating is there: beat finds it if no worker is told. Tenants without one cost nothing."""
    Tenant.objects.filter(pk=tenant_id, undiagnosed_at=None).update(undiagnosed_at=timezone.now())


def diagnose_waiting(tenant: Tenant) -> int:
    """All answers that were rated down and not looked into. What fails is tried again by the clock,
    and keeps no other from its turn. The mark stays until nothing waits, so no crash loses one."""
    with tenant_context(tenant):
        waiting = _undiagnosed()
    done = failures = 0
    for trace_id in waiting:
        try:
            done += bool(diagnose(tenant, trace_id))
        except Exception as error:  # noqa: BLE001 - named, without its text, which may be a customer's
            reason = error.code if isinstance(error, RagadminError) else type(error).__name__
            log.warning("not_diagnosed", tenant=tenant.slug, reason=reason)
            failures += not getattr(error, "permanent", True)
        if failures == MOST_FAILURES:
            break
    Tenant.objects.filter(pk=tenant.pk).update(undiagnosed_at=None)
    with tenant_context(tenant):
        if _undiagnosed():
            mark_waiting(tenant.pk)
    return done


def _undiagnosed() -> Sequence[UUID]:
    waiting = Feedback.objects.filter(rating=Feedback.Rating.DOWN, diagnosed_at=None)
    newest = waiting.order_by("-created_at")
    return list(newest.values_list("trace_id", flat=True)[:MOST_AT_ONCE])


def _verdict(tenant: Tenant, config: TenantConfig, case: Case) -> tuple[Verdict, Evidence]:
    evidence = run_alone(gather_evidence(config, case))
    with tenant_context(tenant):
        versions = read_versions(case, evidence)
    verdict = judge(case, evidence, versions)
    if verdict.diagnosis == Diagnosis.IGNORED and verdict.best:
        part = None
        if case.was_compressed:
            part = run_alone(part_left_out(config, case, evidence, verdict.best))
        verdict = (
            replace(verdict, diagnosis=Diagnosis.COMPRESSED_AWAY, facts={"part": part})
            if part
            else believe_model(case, evidence, verdict)
        )
    if verdict.diagnosis == Diagnosis.NOT_IN_CORPUS:
        verdict.facts["unknown"] = list(evidence.unknown)
    return verdict, evidence


def _store(case: Case, verdict: Verdict, evidence: Evidence, config: TenantConfig) -> None:
    """Unless it was rated again meanwhile: that is looked into by itself."""
    explanation, fix = explain(verdict, case, config)
    best = verdict.best
    score = evidence.scores[best.chunk_id] if best else evidence.most
    detail = {
        "document_id": best.document_id if best else None,
        "chunk_id": best.chunk_id if best else None,
        "path": best.path if best else "",
        "heading_path": best.heading_path if best else "",
        "access_level": best.access_level if best else "",
        "evidence": round(score, 3),
        "needed": round(evidence.needed, 3),
        "explanation": explanation,
        "fix": fix,
        **verdict.facts,
    }
    same = Feedback.objects.filter(
        trace_id=case.trace_id, rating=Feedback.Rating.DOWN, updated_at=case.rated_at
    )
    same.update(diagnosis=verdict.diagnosis, diagnosis_detail=detail, diagnosed_at=timezone.now())

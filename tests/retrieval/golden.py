"""A tenant with two indexed documents and golden questions about them, and runs worked off here."""

from __future__ import annotations

import uuid

from retrieval.evaluation.runs import begin_evaluation
from retrieval.evaluation.work import run_next
from retrieval.models import Evaluation, GoldenQuestion
from retrieval.services.golden import add_golden_question
from tenants.context import tenant_context
from tenants.models import EvaluationJob
from tenants.services import create_tenant
from tests.corpora import give_documents
from tests.documents import DOCUMENTS

PASSWORDS, SALARIES = DOCUMENTS
QUESTIONS = (
    {
        "question": "How is a password reset?",
        "access_levels": ["public"],
        "expected_paths": [PASSWORDS],
        "must_contain": ["sign-in page"],
    },
    {
        "question": "On which day are salaries paid?",
        "access_levels": ["public", "internal"],
        "expected_paths": [SALARIES],
        "expected_answer": "On the 25th of each month.",
    },
    {
        "question": "On which day are salaries paid?",
        "access_levels": ["public"],
        "must_abstain": True,
    },
)


def make_golden_tenant(name):
    """Also the second time that a module begins in one session: workers take tests from each other."""
    tenant = create_tenant(slug=f"{name}-{uuid.uuid4().hex[:6]}")
    give_documents(tenant)
    return tenant


def set_questions(tenant, *questions):
    """These and no others; and no runs."""
    with tenant_context(tenant):
        GoldenQuestion.objects.all().delete()
        Evaluation.objects.all().delete()
        EvaluationJob.objects.filter(tenant_id=tenant.pk).delete()
        return [add_golden_question(created_by="tester", **each) for each in questions]


def begin(tenant, trigger="hand", **values):
    with tenant_context(tenant):
        return begin_evaluation(trigger=trigger, created_by="tester", **values)


def evaluate(tenant, **values):
    """A whole run, as it stands at its end."""
    run = begin(tenant, **values)
    while run_next("tester", tenant):
        pass
    return read(tenant, run)


def read(tenant, run):
    with tenant_context(tenant):
        return Evaluation.objects.get(id=run.id)

"""What the canaries know of golden questions: one for each access level, and a run over both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone

from retrieval.evaluation.summary import sum_up
from retrieval.models import Evaluation, GoldenQuestion
from retrieval.services.golden import add_golden_question
from tenants.models import Tenant

if TYPE_CHECKING:
    from collections.abc import Mapping

    # The word and the document of each level.
    Known = Mapping[str, tuple[str, str]]


def make_golden(tenant: Tenant, known: Known, question: str, asker: str) -> dict[str, str]:
    """Ids of the questions by level, and of the run as `evaluation`. The tenant is in force.

    Nothing is asked: the run is as one would be, with the words in its answers.
    """
    Evaluation.objects.all().delete()
    GoldenQuestion.objects.all().delete()
    rows = {
        level: add_golden_question(
            question=question.format(level=level),
            access_levels=[level],
            expected_answer=word,
            created_by=asker,
        )
        for level, (word, _) in known.items()
    }
    # None of the night's work: a canary costs nothing.
    Tenant.objects.filter(pk=tenant.pk).update(evaluation_due_at=None)
    results = [_result(rows[level], level, *known[level]) for level in known]
    run = Evaluation.objects.create(
        status=Evaluation.Status.SUCCEEDED,
        trigger="command",
        created_by=asker,
        questions=len(results),
        done=len(results),
        results=results,
        summary=sum_up(results),
        started_at=timezone.now(),
        finished_at=timezone.now(),
    )
    return {level: str(row.id) for level, row in rows.items()} | {"evaluation": str(run.id)}


def _result(row: GoldenQuestion, level: str, word: str, document_id: str) -> dict[str, Any]:
    hit = {"document_id": document_id, "path": f"{word}.md", "access_level": level}
    return {
        "id": str(row.id),
        "question": row.question,
        "access_levels": row.access_levels,
        "expected_paths": [],
        "expected_answer": word,
        "must_contain": [],
        "must_abstain": False,
        "error": None,
        "answer": f"It is {word}.",
        "citations": [],
        "hits": [hit | {"similarity": 1.0}],
        "model": "extractive",
        "tier": "",
        "duration_ms": 1.0,
        "first_token_ms": 1.0,
        "cost_usd": "0",
        "found": None,
        "rank": None,
        "reciprocal_rank": None,
        "ndcg": None,
        "cited": None,
        "abstained": False,
        "matched": True,
        "missing": [],
        "similarity": 1.0,
        "f1": 0.5,
        "is_right": True,
    }

"""The figures of a run, from what became of each question."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from retrieval.evaluation.metrics import mean, percentile

if TYPE_CHECKING:
    from collections.abc import Sequence

    Results = Sequence[dict[str, Any]]

RATES = ("hit_rate", "mrr", "ndcg", "answer_match", "right_rate")


def sum_up(results: Results) -> dict[str, Any]:
    """Shares are from 0 to 1, and None where no question asks for them. Questions that ended in an
    error count nowhere but in `errors`, and in the cost, if they cost anything."""
    measured = [each for each in results if each["error"] is None]
    return {
        "questions": len(results),
        "errors": len(results) - len(measured),
        "right": sum(each["is_right"] is True for each in measured),
        "wrong": sum(each["is_right"] is False for each in measured),
        "right_rate": _mean(measured, "is_right"),
        "hit_rate": _mean(measured, "found"),
        "mrr": _mean(measured, "reciprocal_rank"),
        "ndcg": _mean(measured, "ndcg"),
        "cited": _mean(measured, "cited"),
        "answer_match": _mean(measured, "matched"),
        "similarity": _mean(measured, "similarity"),
        "f1": _mean(measured, "f1"),
        "abstention": _abstention(measured),
        **cost_of(results),
        "p50_latency_ms": _percentile(measured, "duration_ms", 0.5),
        "p95_latency_ms": _percentile(measured, "duration_ms", 0.95),
        "p50_first_token_ms": _percentile(measured, "first_token_ms", 0.5),
        "models": dict(Counter(each["model"] for each in measured).most_common()),
    }


def _abstention(measured: Results) -> dict[str, Any]:
    """Precision: of those that were said to have no answer, how many have none. Recall: of those that
    have none, how many were said to. Questions of which nothing is expected say nothing here."""
    judged = [each for each in measured if each["is_right"] is not None]
    said = [each["must_abstain"] for each in judged if each["abstained"]]
    unanswerable = [each["abstained"] for each in judged if each["must_abstain"]]
    return {
        "right": sum(said),
        "wrongly": len(said) - sum(said),
        "missed": len(unanswerable) - sum(unanswerable),
        "precision": _share(said),
        "recall": _share(unanswerable),
    }


def cost_of(results: Results) -> dict[str, Any]:
    """US dollars of the answers whose price is known; `unpriced` counts the others. None: of no paid
    answer is it known."""
    costs = [each["cost_usd"] for each in results if "cost_usd" in each]
    known = [Decimal(cost) for cost in costs if cost is not None]
    total, unpriced = sum(known, Decimal(0)), len(costs) - len(known)
    return {"cost_usd": None if unpriced and not total else str(total), "unpriced": unpriced}


def _mean(measured: Results, name: str) -> float | None:
    return _rounded(mean([float(each[name]) for each in measured if each[name] is not None]))


def _share(flags: Sequence[bool]) -> float | None:
    return _rounded(mean([float(flag) for flag in flags]))


def _percentile(measured: Results, name: str, share: float) -> float | None:
    return percentile([each[name] for each in measured if each[name] is not None], share)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)

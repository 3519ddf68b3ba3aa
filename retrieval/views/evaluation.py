"""One evaluation: how far it is, its figures against those before, and question by question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from ragadmin.errors import Conflict, RagadminError
from retrieval.evaluation.compare import KINDS, WORSE, count_kinds, word_diff
from retrieval.evaluation.configuration import say_differences, say_trial
from retrieval.evaluation.figures import figures
from retrieval.evaluation.runs import (
    UNFINISHED,
    baseline_of,
    begin_evaluation,
    cancel_run,
    find_run,
)
from retrieval.evaluation.tasks import hint_evaluation
from retrieval.evaluation.visible import see_pairs
from retrieval.services.golden import known_paths
from retrieval.services.golden_nights import set_nights
from retrieval.views.fragments import render_page_or_part
from tenants.access import TenantHttpRequest, tenant_page

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpResponse

    from retrieval.evaluation.compare import Pair
    from retrieval.models import Evaluation

ON_A_PAGE = 50
RIGHT, WRONG, ALL = "right", "wrong", "all"


@require_safe
@tenant_page("admin")
def show(request: TenantHttpRequest, slug: str, evaluation_id: UUID) -> HttpResponse:
    """The changes first; all questions with `show=all`. Open while it goes on, it asks for itself."""
    run = find_run(evaluation_id)
    context: dict[str, Any] = {"run": run, "is_open": run.status in UNFINISHED}
    if not context["is_open"]:
        context |= _outcome(request, run)
    return render_page_or_part(
        request,
        "retrieval/evaluation.html",
        part="retrieval/_evaluation.html",
        target="evaluation",
        context=context,
    )


@require_POST
@tenant_page("admin")
def start(request: TenantHttpRequest, slug: str) -> HttpResponse:
    try:
        run = begin_evaluation(trigger="hand", created_by=str(request.user), actor=request.user)
    except RagadminError as error:
        messages.warning(request, error.message)
        return redirect("evaluations", slug)
    transaction.on_commit(hint_evaluation)
    return redirect("evaluation", slug, run.id)


@require_POST
@tenant_page("admin")
def cancel(request: TenantHttpRequest, slug: str, evaluation_id: UUID) -> HttpResponse:
    run = find_run(evaluation_id)
    try:
        cancel_run(run.id)
    except Conflict as error:
        messages.warning(request, error.message)
    return redirect("evaluation", slug, evaluation_id)


@require_POST
@tenant_page("admin")
def nights(request: TenantHttpRequest, slug: str) -> HttpResponse:
    is_on = request.POST.get("nightly") == "on"
    set_nights(is_on=is_on, actor=request.user)
    said = "asked every night" if is_on else "asked by hand only"
    messages.success(request, f"Saved: golden questions are {said}.")
    return redirect("evaluations", slug)


def _outcome(request: TenantHttpRequest, run: Evaluation) -> dict[str, Any]:
    before = baseline_of(run)
    pairs, hidden = see_pairs(before, run, request.access_levels)
    shown = _chosen(request, pairs, has_before=before is not None)
    page = Paginator(shown, ON_A_PAGE).get_page(request.GET.get("page"))
    compared = before is not None and bool(run.results)
    old = before.configuration if before else {}
    return {
        "before": before,
        "figures": figures(run.summary, before.summary if compared and before else None),
        "differences": say_differences(old, run.configuration) if compared else [],
        "tried": say_trial(run.changes, old),
        "page": page,
        "rows": [_row(pair) for pair in page],
        "known_paths": known_paths(
            (path for pair in page for path in pair.result["expected_paths"]), request.access_levels
        ),
        "counts": _counts(pairs) if compared else [],
        "pairs": len(pairs),
        "hidden": hidden,
        "show": _wanted(request, has_before=before is not None),
    }


def _wanted(request: TenantHttpRequest, *, has_before: bool) -> str:
    wanted = request.GET.get("show", "")
    known = {RIGHT, WRONG, ALL, "changed", *KINDS}
    return wanted if wanted in known else "changed" if has_before else ALL


def _chosen(request: TenantHttpRequest, pairs: list[Pair], *, has_before: bool) -> list[Pair]:
    match _wanted(request, has_before=has_before):
        case "all":
            return pairs
        case "wrong":
            return [pair for pair in pairs if pair.after and pair.after["is_right"] is False]
        case "right":
            return [pair for pair in pairs if pair.after and pair.after["is_right"]]
        case "changed":
            return [pair for pair in pairs if pair.is_changed]
        case kind:
            return [pair for pair in pairs if pair.kind == kind]


def _counts(pairs: list[Pair]) -> list[tuple[str, str, int]]:
    return [(kind, KINDS[kind], count) for kind, count in count_kinds(pairs).items()]


def _row(pair: Pair) -> dict[str, Any]:
    before, after = (each or {} for each in (pair.before, pair.after))
    answers = [each.get("answer", "") for each in (before, after)]
    has_both = bool(pair.before and pair.after)
    return {
        "pair": pair,
        "result": pair.result,
        "is_worse": pair.kind in WORSE,
        "is_better": pair.kind in ("newly_right", "recovered"),
        "sides": [side for side in (pair.before, pair.after) if side],
        "diff": word_diff(*answers) if has_both and answers[0] != answers[1] else [],
    }

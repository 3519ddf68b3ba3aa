"""The operator's page that sets the levels of isolation side by side, and recommends one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from ragadmin.errors import Conflict
from retrieval.comparison.advice import LESSON, recommend
from retrieval.comparison.figures import panels
from retrieval.comparison.plan import SIZES
from retrieval.comparison.runs import (
    begin_comparison,
    cancel_comparison,
    list_comparisons,
    newest_result,
    running_comparison,
    state_of,
)
from retrieval.comparison.tasks import ask_worker
from tenants.access import operator_page
from tenants.audit import record_event
from tenants.models import Tenant

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from tenants.access import OperatorHttpRequest
    from tenants.models import IsolationComparison

SHOWN_RUNS = 10
MOST = 10_000_000
# Of a tenant, where nothing is measured yet and nobody said otherwise.
USUAL_CHUNKS = 1_000
PAGE = "operator-isolation-comparison"


@require_safe
@never_cache
@operator_page
def comparison(request: OperatorHttpRequest) -> HttpResponse:
    running = running_comparison()
    if request.htmx:
        return _progress(request, running)
    shown = _chosen(request)
    results: dict[str, Any] = shown.results if shown else {}
    runs = list(list_comparisons()[:SHOWN_RUNS])
    context = {
        "running": running,
        "run": shown,
        "panels": panels(results),
        "lesson": LESSON,
        "advice": _advice(request, results),
        "runs": [(run, state_of(run)) for run in runs],
        "broken": _broken(runs),
        "sizes": SIZES,
    }
    return render(request, "retrieval/comparison.html", context)


@require_POST
@operator_page
def measure(request: OperatorHttpRequest) -> HttpResponse:
    size = SIZES.get(request.POST.get("size", ""), SIZES["small"])
    try:
        run = begin_comparison(size.plan)
    except Conflict as error:
        messages.info(request, error.message)
    else:
        record_event("isolation.comparing", actor=request.user, target=f"comparison {run.pk}")
        ask_worker(run)
    return redirect(PAGE)


@require_POST
@operator_page
def cancel(request: OperatorHttpRequest) -> HttpResponse:
    running = running_comparison()
    if running is not None:
        cancel_comparison(running)
        messages.info(request, "The comparison ends when its temporary tenants are removed.")
    return redirect(PAGE)


def _progress(request: HttpRequest, running: IsolationComparison | None) -> HttpResponse:
    """Asked every second by a page that shows a run; the page comes anew when it has ended."""
    if running is None:
        return HttpResponseClientRefresh()
    return render(request, "retrieval/_comparison_progress.html", {"running": running})


def _chosen(request: HttpRequest) -> IsolationComparison | None:
    """The one that the address names, else the newest that was measured to its end."""
    wanted = request.GET.get("run", "")
    if not wanted:
        return newest_result()
    found = None
    if wanted.isdecimal() and len(wanted) < 18:
        found = list_comparisons().filter(pk=int(wanted)).first()
    if found is None or not found.results.get("rows"):
        raise Http404("There is no such comparison, or nothing was measured in it.")
    return found


def _broken(runs: list[IsolationComparison]) -> dict[str, str] | None:
    """Why the newest run has no figures."""
    if not runs or (state := state_of(runs[0])) in ("done", "running", "cancelling"):
        return None
    return {"state": state, "error": runs[0].results.get("error", "")}


def _advice(request: HttpRequest, results: dict[str, Any]) -> dict[str, Any]:
    customers = Tenant.objects.customers().count()
    tenants = _number(request, "tenants", max(1, customers))
    chunks = _number(request, "chunks", results.get("chunks") or USUAL_CHUNKS)
    level, reason = recommend(tenants, chunks, results)
    return {"tenants": tenants, "chunks": chunks, "level": level, "reason": reason}


def _number(request: HttpRequest, name: str, default: int) -> int:
    """What makes no sense is as if it were not said."""
    text = request.GET.get(name, "").strip()
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else 0
    return min(number, MOST) if number else default

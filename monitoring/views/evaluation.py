"""Evaluations of a tenant: started, listed, and how their figures went over time."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.core.paginator import Paginator
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from monitoring.charts import Chart, Series
from retrieval.evaluation.runs import UNFINISHED, list_runs, unfinished_run
from retrieval.models import Evaluation, GoldenQuestion
from tenants.access import TenantHttpRequest, tenant_page

if TYPE_CHECKING:
    from django.http import HttpResponse

ON_A_PAGE = 25
CHARTED = 30
LINES = (
    ("hit_rate", "Hit rate", "series-1"),
    ("answer_match", "Answer match", "series-2"),
    ("right_rate", "Right", "series-3"),
)


@require_safe
@tenant_page("admin")
def evaluations(request: TenantHttpRequest, slug: str) -> HttpResponse:
    page = Paginator(list_runs(), ON_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "questions": GoldenQuestion.objects.filter(is_active=True).count(),
        "running": unfinished_run(),
        "unfinished": UNFINISHED,
        "trend": trend(slug, request.tenant.timezone),
    }
    return render(request, "monitoring/evaluations.html", context)


def trend(slug: str, timezone: str) -> Chart | None:
    """Over the runs with the settings in force, in their order. None until two can be compared."""
    ended = list_runs().filter(status=Evaluation.Status.SUCCEEDED, changes={})[:CHARTED]
    runs = list(reversed(ended))
    if len(runs) < 2:
        return None
    zone = ZoneInfo(timezone)
    return Chart(
        key="evaluations",
        title="Over the last runs",
        unit="percent",
        kind="line",
        labels=tuple(f"{run.created_at.astimezone(zone):%d %b %H:%M}" for run in runs),
        series=tuple(
            Series(name, label, tuple(_percent(run, name) for run in runs), role)
            for name, label, role in LINES
        ),
        links=tuple(reverse("evaluation", args=[slug, run.id]) for run in runs),
        link_words="the evaluation",
    )


def _percent(run: Evaluation, name: str) -> float | None:
    value = run.summary.get(name)
    return None if value is None else 100 * value

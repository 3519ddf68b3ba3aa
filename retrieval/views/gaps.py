"""Documents to write, and what is not to be written."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.contrib import messages
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from retrieval.gaps import MOST_QUESTIONS, documents_to_write, ignore_questions
from retrieval.views.fragments import read_ids, render_page_or_part
from tenants.access import TenantHttpRequest, tenant_page

if TYPE_CHECKING:
    from django.http import HttpResponse

DAYS = (7, 30, 90)
PAGE = "feedback-gaps"


@require_safe
@tenant_page(role="admin", in_force=False)
def show_gaps(request: TenantHttpRequest, slug: str) -> HttpResponse:
    asked = request.GET.get("days", "")
    days = int(asked) if asked in map(str, DAYS) else 30
    is_ignored, hides_demo = "ignored" in request.GET, "real" in request.GET
    context = {
        "days": days,
        "all_days": DAYS,
        "is_ignored": is_ignored,
        "hides_demo": hides_demo,
        "query": request.GET.urlencode(),
    }
    # Vectors that are not kept any more take seconds: the page is there before them.
    if request.htmx or "now" in request.GET:
        gaps = documents_to_write(
            request.tenant,
            start=timezone.now() - timedelta(days=days),
            with_simulated=not hides_demo,
            is_ignored=is_ignored,
            levels=request.access_levels,
        )
        context |= {
            "is_counted": True,
            "gaps": gaps,
            "questions": sum(gap.count for gap in gaps),
            "most": MOST_QUESTIONS,
        }
    return render_page_or_part(
        request, "retrieval/gaps.html", part="retrieval/_gaps.html", target="gaps", context=context
    )


@require_POST
@tenant_page(role="admin")
def ignore_gap(request: TenantHttpRequest, slug: str) -> HttpResponse:
    ignored = request.POST.get("ignored") == "1"
    changed = ignore_questions(read_ids(request.POST.getlist("id")), ignored=ignored)
    if changed and ignored:
        messages.success(request, "Ignored, with all that is asked like it. See “Ignored” to undo.")
    elif changed:
        messages.success(request, "It is in the list again.")
    query = request.GET.urlencode()
    return redirect(reverse(PAGE, args=[slug]) + (f"?{query}" if query else ""))

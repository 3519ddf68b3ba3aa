"""For how long recorded questions are kept. What would be deleted is counted and agreed to first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.contrib import messages
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from retrieval.indexing.trace_upkeep import MOST_COUNTED, count_old
from tenants.access import TenantHttpRequest, tenant_page
from tenants.configure import update_tenant
from tenants.models.tenant import MOST_TRACE_DAYS
from tenants.views.answers import go_to
from tenants.views.query_settings import NOTHING_CHANGED

if TYPE_CHECKING:
    from django.http import HttpResponse

PAGE = "settings-traces"


class KeptDaysForm(forms.Form):
    trace_days = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MOST_TRACE_DAYS,
        label="Keep for so many days",
        help_text="Counted from when a question was asked. Empty: for ever.",
        widget=forms.NumberInput({"placeholder": "for ever"}),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@tenant_page("admin")
def trace_settings(request: TenantHttpRequest, slug: str) -> HttpResponse:
    saved = request.tenant.trace_days
    form = KeptDaysForm(request.POST or None, initial={"trace_days": saved})
    context = {"section": "traces", "form": form, "saved": saved, "most_counted": MOST_COUNTED}
    if not form.is_bound or not form.is_valid():
        return render(request, "retrieval/settings_traces.html", context)
    days = form.cleaned_data["trace_days"]
    # What was agreed to is that number of days and no other.
    if days in (None, saved) or request.POST.get("agreed") == str(days):
        return _save(request, days)
    asked = {"days": days, "old": count_old(request.tenant, days)}
    return render(request, "retrieval/settings_traces.html", context | asked)


def _save(request: TenantHttpRequest, days: int | None) -> HttpResponse:
    if days == request.tenant.trace_days:
        messages.info(request, NOTHING_CHANGED)
    else:
        update_tenant(tenant=request.tenant, actor=request.user, trace_days=days)
        kept = f"for {days:,} days" if days else "for ever"
        messages.success(request, f"Saved. Recorded questions are kept {kept}.")
    return go_to(request, PAGE, request.tenant.slug)

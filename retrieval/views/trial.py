"""Settings tried on the golden questions beside those in force, and then saved or dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from ragadmin.errors import RagadminError
from retrieval.evaluation.runs import TRIAL, begin_evaluation, find_run, fresh_baseline
from retrieval.evaluation.tasks import hint_evaluation
from retrieval.knobs import as_update
from retrieval.models import GoldenQuestion
from retrieval.trial_form import TrialForm, from_settings_page
from tenants.access import TenantHttpRequest, tenant_config, tenant_page
from tenants.configure import update_tenant

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpResponse


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_page("admin")
def new_trial(request: TenantHttpRequest, slug: str) -> HttpResponse:
    """A settings page sends what was entered there with POST `prefill`; nothing is begun by that."""
    section = request.POST.get("prefill", "")
    is_sent = request.method == "POST" and not section
    address = from_settings_page(request.POST if section else {}, section) or request.GET
    form = TrialForm(
        request.POST if is_sent else None,
        config=tenant_config(request.tenant),
        tenant=request.tenant,
        address=address,
    )
    if is_sent and form.is_valid() and (started := _begin(request, form)):
        return started
    questions = GoldenQuestion.objects.filter(is_active=True).count()
    context: dict[str, Any] = {
        "form": form,
        "questions": questions,
        "needs_baseline": fresh_baseline() is None,
    }
    return render(request, "retrieval/trial.html", context)


def _begin(request: TenantHttpRequest, form: TrialForm) -> HttpResponse | None:
    changes = form.trial()
    if not changes:
        form.add_error(None, "Nothing differs from the settings in force: change something to try.")
        return None
    try:
        with transaction.atomic():
            run = begin_evaluation(
                trigger=TRIAL, created_by=str(request.user), actor=request.user, changes=changes
            )
    except RagadminError as error:
        form.add_error(None, error.message)
        return None
    transaction.on_commit(hint_evaluation)
    return redirect("evaluation", request.tenant.slug, run.id)


@require_POST
@tenant_page("admin")
def save_trial(request: TenantHttpRequest, slug: str, evaluation_id: UUID) -> HttpResponse:
    """What was tried becomes what is in force. Of the model only routes decide, and of the next index
    its own page."""
    run = find_run(evaluation_id)
    changes = (run.changes or {}).get("settings") or {}
    if not changes:
        messages.info(request, "This evaluation tried no settings that could be saved.")
        return redirect("evaluation", slug, evaluation_id)
    try:
        with transaction.atomic():
            update_tenant(tenant=request.tenant, actor=request.user, **as_update(changes))
    except RagadminError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, "Saved. It takes effect within two seconds.")
    return redirect("evaluation", slug, evaluation_id)

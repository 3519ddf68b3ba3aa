"""Entering a source and changing it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import messages
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from ragadmin.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from retrieval.schedule_form import TIMEZONES, ScheduleForm, entered_schedule, initial_schedule
from retrieval.services.schedules import schedules_of
from retrieval.services.sources import create_source, update_source
from retrieval.source_forms import FORMS
from retrieval.source_view import KINDS
from retrieval.sync_selectors import find_source
from retrieval.views.sources import begin_run
from tenants.access import TenantHttpRequest, tenant_page
from tenants.secrets import decrypt

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpResponse

    from retrieval.models import Source
    from retrieval.source_form import SourceForm


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_page(role="admin")
def new_source(request: TenantHttpRequest, slug: str, kind: str) -> HttpResponse:
    if kind not in FORMS:
        raise NotFound("There is no such kind of source.")
    form = FORMS[kind](
        request.POST or None,
        access_levels=request.access_levels,
        initial={"access_level": next(iter(request.access_levels), "")},
    )
    source = _save(request, form)
    return _begin(request, source) if source else _render(request, form)


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_page(role="admin")
def edit_source(request: TenantHttpRequest, slug: str, source_id: UUID) -> HttpResponse:
    source = find_source(source_id, request.access_levels)
    form = FORMS[source.kind](
        request.POST or None,
        access_levels=request.access_levels,
        stored=_stored_credentials(source),
        initial=_initial(source),
    )
    saved = _save(request, form, source)
    if saved is None:
        return _render(request, form, source)
    messages.success(request, f"{saved.name} was saved.")
    return redirect("source", slug, saved.pk)


@require_safe
@tenant_page(role="admin")
def say_schedule(request: TenantHttpRequest, slug: str) -> HttpResponse:
    """What was entered, in words: asked while a form is being filled in."""
    form = ScheduleForm(request.GET)
    context = {
        "schedule_words": form.words() if form.is_valid() else "",
        "schedule_errors": [text for found in form.errors.values() for text in found],
    }
    return render(request, "retrieval/_source_schedule_words.html", context)


def _save(
    request: TenantHttpRequest, form: SourceForm, source: Source | None = None
) -> Source | None:
    """None when there is nothing to save, or when it was refused; the form then says why."""
    if request.method != "POST" or not form.is_valid():
        return None
    values = {
        "tenant": request.tenant,
        "actor": str(request.user),
        "allowed_levels": request.access_levels,
        **form.values(),
    }
    try:
        if source is None:
            return create_source(kind=form.kind, **values)
        return update_source(source_id=source.pk, **values)
    except (InvalidRequest, PermissionDenied, Conflict) as error:
        form.refuse(error)
        return None


def _begin(request: TenantHttpRequest, source: Source) -> HttpResponse:
    """What the button said: look first, sync at once, or neither."""
    then = request.POST.get("then")
    if then in {"look", "sync"} and not KINDS[source.kind].is_upload:
        return begin_run(request, source, dry_run=then == "look")
    messages.success(request, f"{source.name} was added.")
    return redirect("source", request.tenant.slug, source.pk)


def _render(
    request: TenantHttpRequest, form: SourceForm, source: Source | None = None
) -> HttpResponse:
    schedule = entered_schedule(form) if isinstance(form, ScheduleForm) else None
    context = {
        "form": form,
        "source": source,
        "kind": KINDS[form.kind],
        "has_schedule": schedule is not None,
        "schedule_words": schedule.words() if schedule and schedule.is_valid() else "",
        "timezones": TIMEZONES,
        "roots": [root.replace("{tenant}", request.tenant.slug) for root in settings.SYNC_ROOTS],
    }
    return render(request, "retrieval/source_form.html", context)


def _initial(source: Source) -> dict[str, Any]:
    config = {
        name: "\n".join(value) if isinstance(value, list) else value
        for name, value in source.config.items()
    }
    schedule = schedules_of([source.pk]).get(source.pk)
    return {
        **config,
        "name": source.name,
        "access_level": source.access_level,
        "max_deleted_percent": round(source.max_deleted_share * 100),
        "keep_days": source.keep_days,
        **(initial_schedule(schedule) if schedule else {}),
    }


def _stored_credentials(source: Source) -> dict[str, str]:
    if not source.credentials_encrypted:
        return {}
    return json.loads(decrypt(source.credentials_encrypted))

"""What the settings pages of the read path share: show, reset, save, and say what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.shortcuts import render
from django.urls import reverse

from ragadmin.errors import RagadminError
from ragadmin.forms import add_error
from tenants.access import tenant_config
from tenants.configure import update_tenant
from tenants.query_forms import QuerySettingsForm, say_changes, values_of, with_defaults
from tenants.query_words import WORDS
from tenants.views.answers import go_to

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.http import HttpResponse

    from tenants.access import TenantHttpRequest

NOTHING_CHANGED = "Nothing was changed."


def edit_query_settings(
    request: TenantHttpRequest,
    *,
    page: str,
    template: str,
    groups: Mapping[str, Sequence[str]],
    context: Mapping[str, Any],
) -> HttpResponse:
    """With POST `reset`, the form comes back with a default in place of what was entered, unsaved."""
    config = tenant_config(request.tenant)
    names = [name for group in groups.values() for name in group]
    reset = _wanted_resets(request, names)
    data = request.POST if request.method == "POST" else None
    form = QuerySettingsForm(
        with_defaults(data, reset) if data is not None and reset else data,
        config=config,
        groups=groups,
    )
    if data is not None and not reset and form.is_valid() and _save(request, form):
        return go_to(request, page, request.tenant.slug)
    was_reset = [WORDS[name][0] for name in reset]
    own = {
        "form": form,
        "was_reset": was_reset,
        "action": reverse(page, args=[request.tenant.slug]),
    }
    return render(request, template, own | dict(context))


def _wanted_resets(request: TenantHttpRequest, names: Sequence[str]) -> list[str]:
    wanted = request.POST.get("reset", "")
    return list(names) if wanted == "all" else [name for name in names if name == wanted]


def _save(request: TenantHttpRequest, form: QuerySettingsForm) -> bool:
    before = values_of(tenant_config(request.tenant), form.names)
    try:
        update_tenant(tenant=request.tenant, actor=request.user, **form.changes())
    except RagadminError as error:
        add_error(form, error)
        return False
    after = values_of(tenant_config(request.tenant), form.names)
    say_saved(request, say_changes(before, after))
    return True


def say_saved(request: TenantHttpRequest, changes: Sequence[str]) -> None:
    if not changes:
        messages.info(request, NOTHING_CHANGED)
        return
    said = "; ".join(changes)
    messages.success(request, f"Saved. {said}. It takes effect within two seconds.")

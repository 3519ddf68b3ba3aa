"""Notifiers: listed with what they were told last, made, tried, changed, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import Http404
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from monitoring.alert_forms import NotifierForm
from monitoring.models import Notification, Notifier
from monitoring.notifier_settings import (
    delete_notifier,
    find_notifier,
    notifiers_of,
    renew_secret,
    save_notifier,
    try_notifier,
)
from ragadmin.errors import RagadminError
from ragadmin.forms import add_error

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpResponse

    from monitoring.views.place import Place, PlaceRequest

NOTIFIERS = "notifiers/"
MOST_MESSAGES = 30


@require_safe
def notifiers(request: PlaceRequest, place: Place) -> HttpResponse:
    sent = Notification.objects.filter(notifier__tenant=place.owner).select_related("notifier")
    context = {
        "place": place,
        "section": "notifiers",
        "notifiers": notifiers_of(place.owner),
        "sent": sent.order_by("-created_at")[:MOST_MESSAGES],
        "kinds": Notifier.Kind.choices,
    }
    return render(request, "monitoring/notifiers.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def edit_notifier(
    request: PlaceRequest, place: Place, notifier_id: UUID | None = None, kind: str = ""
) -> HttpResponse:
    """Answers the POST that makes a webhook with its secret: it is in this one response only."""
    notifier = find_notifier(place.owner, notifier_id) if notifier_id else None
    kind = notifier.kind if notifier else kind
    if kind not in Notifier.Kind.values:
        raise Http404("There is no such kind of notifier.")
    form = NotifierForm(request.POST or None, kind=kind, notifier=notifier)
    if request.method == "POST" and form.is_valid():
        values = {**form.cleaned_data, "kind": kind}
        try:
            saved, secret = save_notifier(
                owner=place.owner, values=values, notifier=notifier, actor=request.user
            )
        except RagadminError as error:
            add_error(form, error)
        else:
            if secret:
                return _show_secret(request, place, saved, secret)
            messages.success(request, f"{saved.name} is saved. Test it to see that it arrives.")
            return place.go(request, NOTIFIERS)
    context = {"place": place, "form": form, "notifier": notifier, "kind": Notifier.Kind(kind)}
    return render(request, "monitoring/notifier.html", context)


@require_POST
def try_one(request: PlaceRequest, place: Place, notifier_id: UUID) -> HttpResponse:
    """Waits for the receiver, so no tenant is in force and no transaction under way."""
    notifier = find_notifier(place.owner, notifier_id)
    try:
        error: RagadminError | None = try_notifier(notifier, actor=request.user)
    except RagadminError as refused:
        error = refused
    if request.htmx:
        context = {"notifier": notifier, "error": error}
        return render(request, "monitoring/_notifier_test.html", context)
    if error:
        messages.error(request, f"{notifier.name}: {error.message}")
    else:
        messages.success(request, f"{notifier.name} took the test message.")
    return place.go(request, NOTIFIERS)


@never_cache
@require_POST
def renew(request: PlaceRequest, place: Place, notifier_id: UUID) -> HttpResponse:
    notifier = find_notifier(place.owner, notifier_id)
    secret = renew_secret(notifier, actor=request.user)
    return _show_secret(request, place, notifier, secret)


@require_POST
def enable_notifier(request: PlaceRequest, place: Place, notifier_id: UUID) -> HttpResponse:
    notifier = find_notifier(place.owner, notifier_id)
    is_enabled = request.POST.get("enabled") == "1"
    values = {"is_enabled": is_enabled}
    save_notifier(owner=place.owner, values=values, notifier=notifier, actor=request.user)
    messages.success(request, f"{notifier.name} is {'enabled' if is_enabled else 'disabled'}.")
    return place.go(request, NOTIFIERS)


@require_POST
def remove_notifier(request: PlaceRequest, place: Place, notifier_id: UUID) -> HttpResponse:
    notifier = find_notifier(place.owner, notifier_id)
    waiting = delete_notifier(notifier, actor=request.user)
    words = f" {waiting} waiting messages went with it." if waiting else ""
    messages.success(request, f"{notifier.name} is deleted.{words}")
    return place.go(request, NOTIFIERS)


def _show_secret(
    request: PlaceRequest, place: Place, notifier: Notifier, secret: str
) -> HttpResponse:
    context = {"place": place, "notifier": notifier, "secret": secret}
    return render(request, "monitoring/notifier_secret.html", context)

"""Rules: listed, tried on the past, saved, muted, disabled, deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from monitoring.alert_forms import MUTES, RuleForm
from monitoring.alert_list import open_by_rule
from monitoring.alert_rules import (
    build_rule,
    count_alerts,
    delete_rule,
    find_rule,
    mute,
    muted_until,
    rules_of,
    save_rule,
    set_enabled,
)
from monitoring.alert_words import condition, every, figure, span
from monitoring.metrics import METRICS
from monitoring.past_figures import PASTS
from monitoring.preview import DAYS, preview_rule
from monitoring.preview_chart import preview_chart
from monitoring.readings import read_now
from ragadmin.errors import RagadminError
from ragadmin.forms import add_error

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from django.http import HttpResponse

    from monitoring.models import AlertRule
    from monitoring.views.place import Place, PlaceRequest

RULES = "rules/"


@dataclass(frozen=True, slots=True)
class RuleRow:
    rule: AlertRule
    label: str
    condition: str
    least: str
    again: str
    open: int
    muted_until: datetime | None
    is_own: bool


@require_safe
def rules(request: PlaceRequest, place: Place) -> HttpResponse:
    found = [rule for rule in rules_of(place.owner) if rule.metric in METRICS]
    open_of, mutes = open_by_rule(place.owner, found), muted_until(found, place.owner)
    rows = [_row(rule, place, open_of.get(rule.pk, 0), mutes.get(rule.pk)) for rule in found]
    context = {
        "place": place,
        "section": "rules",
        "own": [row for row in rows if row.rule.tenant == place.owner],
        "others": [row for row in rows if row.rule.tenant != place.owner],
        "mutes": MUTES,
    }
    return render(request, "monitoring/alert_rules.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def edit_rule(request: PlaceRequest, place: Place, rule_id: UUID | None = None) -> HttpResponse:
    """Makes one when there is no id. POST with `preview` shows the past, and saves nothing."""
    rule = find_rule(place.owner, rule_id) if rule_id else None
    form = RuleForm(
        request.POST or None, owner=place.owner, rule=rule, metric=request.GET.get("metric", "")
    )
    context: dict[str, Any] = {"place": place, "form": form, "rule": rule}
    if "preview" in request.POST:
        context |= _preview(form, place, rule)
        template = "_alert_preview" if request.htmx else "alert_rule"
        return render(request, f"monitoring/{template}.html", context)
    if request.method == "POST" and form.is_valid():
        saved = _save(request, form, place, rule)
        if saved is not None:
            messages.success(
                request, f"{saved.name} is saved. It is held against the figures every minute."
            )
            return place.go(request, RULES)
    return render(request, "monitoring/alert_rule.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def remove_rule(request: PlaceRequest, place: Place, rule_id: UUID) -> HttpResponse:
    """Counts first."""
    rule = find_rule(place.owner, rule_id)
    if request.method != "POST":
        context = {"place": place, "rule": rule, "counts": count_alerts(rule)}
        return render(request, "monitoring/delete_alert_rule.html", context)
    counts = delete_rule(rule, actor=request.user)
    gone = counts.open + counts.past
    words = f"{gone} alert{'' if gone == 1 else 's'}"
    messages.success(request, f"{rule.name} is deleted, and with it {words}.")
    return place.go(request, RULES)


@require_POST
def mute_rule(request: PlaceRequest, place: Place, rule_id: UUID) -> HttpResponse:
    rule = find_rule(place.owner, rule_id, own=False)
    given = request.POST.get("minutes", "")
    minutes = int(given) if given.isdecimal() and len(given) < 7 else -1
    try:
        mute(rule, minutes, owner=place.owner, actor=request.user)
    except RagadminError as error:
        messages.error(request, error.message)
    else:
        how = f"is muted for {span(minutes)}" if minutes else "is not muted any more"
        messages.success(request, f"{rule.name} {how}.")
    return place.go(request, RULES)


@require_POST
def enable_rule(request: PlaceRequest, place: Place, rule_id: UUID) -> HttpResponse:
    rule = find_rule(place.owner, rule_id)
    is_enabled = request.POST.get("enabled") == "1"
    ended = set_enabled(rule, is_enabled=is_enabled, actor=request.user)
    words = f"{rule.name} is {'enabled' if is_enabled else 'disabled'}."
    if ended:
        words += f" {ended} open alert{' is' if ended == 1 else 's are'} over."
    messages.success(request, words)
    return place.go(request, RULES)


def _save(
    request: PlaceRequest, form: RuleForm, place: Place, rule: AlertRule | None
) -> AlertRule | None:
    owner = rule.tenant if rule else place.owner
    try:
        return save_rule(owner=owner, values=form.values(), rule=rule, actor=request.user)
    except RagadminError as error:
        add_error(form, error)
        return None


def _preview(form: RuleForm, place: Place, rule: AlertRule | None) -> dict[str, Any]:
    if not form.is_valid():
        return {"is_previewed": True}
    owner = rule.tenant if rule else place.owner
    try:
        built = build_rule(owner, form.values(), rule)
    except RagadminError as error:
        add_error(form, error)
        return {"is_previewed": True}
    metric = METRICS[built.metric]
    previews = preview_rule(built, timezone.now())
    unit = metric.unit
    return {
        "is_previewed": True,
        "days": DAYS,
        "metric": metric,
        "condition": condition(built),
        "least": built.minimum_count,
        "now_value": _now(built) if metric.no_past else "",
        "past_about": past.about if (past := PASTS.get(built.metric)) else "",
        "each_tenant": built.each_tenant,
        "chart": preview_chart(built, previews[0], place.zone) if previews else None,
        "previews": [
            (one, [(each, figure(each.worst_value, unit)) for each in one.episodes])
            for one in previews
        ],
    }


def _now(rule: AlertRule) -> str:
    reading = read_now(rule, timezone.now())
    return figure(reading.value, METRICS[rule.metric].unit) if reading else ""


def _row(rule: AlertRule, place: Place, still_open: int, until: datetime | None) -> RuleRow:
    metric = METRICS[rule.metric]
    return RuleRow(
        rule=rule,
        label=metric.label,
        condition=condition(rule),
        least=f"from {rule.minimum_count:,} {metric.counted}" if rule.minimum_count > 1 else "",
        again=f"told again {every(rule.renotify_minutes)}" if rule.renotify_minutes else "",
        open=still_open,
        muted_until=until,
        is_own=place.owner is None or rule.tenant == place.owner,
    )

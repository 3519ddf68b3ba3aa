"""Rules: made, changed, muted, disabled, deleted. Each change is in the audit trail."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from monitoring.alerts import end_alerts, keep_watch_away
from monitoring.metrics import FLEET, METRICS, TENANT
from monitoring.models import Alert, AlertMute, AlertRule, Notifier
from ragadmin.errors import Conflict, InvalidRequest, NotFound
from tenants.audit import record_event

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from django.db.models import QuerySet

    from tenants.models import Tenant, User

    Actor = User | str | None

MOST_RULES = 50
# Usage by five minutes is kept for eight days: a preview of seven needs one more for its window.
SHORTEST_WINDOW, LONGEST_WINDOW = 5, 24 * 60
LONGEST_RENOTIFY = 7 * 24 * 60
LONGEST_MUTE = 30 * 24 * 60
MOST_COUNTED = 1_000_000
NOT_HERE = "There is no alert rule with this id that can be changed here."
FIELDS = (
    "name", "metric", "window_minutes", "comparison", "warning_threshold", "alert_threshold",
    "minimum_count", "no_data", "renotify_minutes", "each_tenant", "is_enabled",
)  # fmt: skip
# An alert that was opened by one of these has nothing to do with the others.
DECISIVE = ("metric", "window_minutes", "comparison", "each_tenant")


@dataclass(frozen=True, slots=True)
class AlertCounts:
    open: int
    past: int


def rules_of(owner: Tenant | None) -> QuerySet[AlertRule]:
    """Those that watch a tenant: its own, and the operator's for each tenant. None: all there are."""
    rules = AlertRule.objects.select_related("tenant").prefetch_related("notifiers")
    if owner is not None:
        rules = rules.filter(Q(tenant=owner) | Q(each_tenant=True))
    return rules.order_by("tenant__slug", "name", "pk")


def find_rule(owner: Tenant | None, rule_id: UUID, *, own: bool = True) -> AlertRule:
    """`own`: one that may be changed here, which for operators is any. Raises NotFound."""
    rule = rules_of(owner).filter(pk=rule_id).first()
    if rule is None or (own and owner is not None and rule.tenant_id != owner.pk):
        raise NotFound(NOT_HERE)
    return rule


def build_rule(
    owner: Tenant | None, values: dict[str, Any], rule: AlertRule | None = None
) -> AlertRule:
    """With the values, and not stored: to be tried on the past. Raises InvalidRequest."""
    built = AlertRule(tenant=owner) if rule is None else _copy(rule)
    for name in FIELDS:
        if name in values:
            setattr(built, name, values[name])
    built.name = built.name.strip()
    _check(built)
    return built


@transaction.atomic
def save_rule(
    *,
    owner: Tenant | None,
    values: dict[str, Any],
    actor: Actor,
    rule: AlertRule | None = None,
) -> AlertRule:
    """Raises InvalidRequest, Conflict for one too many."""
    keep_watch_away()
    built = build_rule(owner, values, rule)
    notifiers = _own_notifiers(built.tenant, values.get("notifiers"))
    if rule is None:
        _check_room(owner)
    changed = {} if rule is None else _changes(rule, built)
    built.save(force_insert=rule is None)
    if notifiers is not None:
        before = {one.pk for one in built.notifiers.all()}
        built.notifiers.set(notifiers)
        if rule is not None and before != {one.pk for one in notifiers}:
            changed["notifiers"] = ", ".join(one.name for one in notifiers) or "all"
    if rule is None:
        _record("created", built, actor, metric=built.metric)
    elif changed:
        _record("changed", built, actor, **changed)
    if changed.keys() & set(DECISIVE):
        end_alerts(built, "The rule was changed")
    if not built.is_enabled:
        end_alerts(built, "The rule is disabled")
    return built


def set_enabled(rule: AlertRule, *, is_enabled: bool, actor: Actor) -> int:
    """How many open alerts that ended."""
    if rule.is_enabled == is_enabled:
        return 0
    with transaction.atomic():
        keep_watch_away()
        rule.is_enabled = is_enabled
        rule.save(update_fields=["is_enabled", "updated_at"])
        _record("enabled" if is_enabled else "disabled", rule, actor)
        return 0 if is_enabled else end_alerts(rule, "The rule is disabled")


def mute(rule: AlertRule, minutes: int, *, owner: Tenant | None, actor: Actor) -> None:
    """For everybody whom the rule tells; for the tenant alone, if the rule is not its own. 0 unmutes."""
    if not 0 <= minutes <= LONGEST_MUTE:
        raise InvalidRequest(
            f"A rule is muted for up to {LONGEST_MUTE} minutes; 0 unmutes it.",
            extra={"field": "minutes"},
        )
    until = timezone.now() + timedelta(minutes=minutes) if minutes else None
    with transaction.atomic():
        if owner is not None and rule.tenant_id != owner.pk:
            _mute_for(rule, owner, until)
        else:
            rule.muted_until = until
            rule.save(update_fields=["muted_until", "updated_at"])
        action = "muted" if until else "unmuted"
        _record(action, rule, actor, tenant=owner, **({"minutes": minutes} if until else {}))


def delete_rule(rule: AlertRule, *, actor: Actor) -> AlertCounts:
    """With its alerts, open and past: how many there were."""
    with transaction.atomic():
        keep_watch_away()
        counts = count_alerts(rule)
        _record("deleted", rule, actor, open=counts.open, past=counts.past)
        rule.delete()
    return counts


def count_alerts(rule: AlertRule) -> AlertCounts:
    alerts = Alert.objects.filter(rule=rule)
    still_open = alerts.filter(resolved_at=None).count()
    return AlertCounts(still_open, alerts.count() - still_open)


def muted_until(rules: Iterable[AlertRule], owner: Tenant | None) -> dict[UUID, Any]:
    """Until when each is muted for whoever looks; rules that are not muted are left out."""
    now = timezone.now()
    found = {
        rule.pk: rule.muted_until for rule in rules if rule.muted_until and rule.muted_until > now
    }
    if owner is not None:
        mutes = AlertMute.objects.filter(tenant=owner, until__gt=now)
        for rule_id, until in mutes.values_list("rule_id", "until"):
            found[rule_id] = max(until, found.get(rule_id, until))
    return found


def _mute_for(rule: AlertRule, owner: Tenant, until: Any) -> None:
    if until is None:
        AlertMute.objects.filter(rule=rule, tenant=owner).delete()
    else:
        AlertMute.objects.update_or_create(rule=rule, tenant=owner, defaults={"until": until})


def _copy(rule: AlertRule) -> AlertRule:
    """Another object of the same row. Raises NotFound for one that was deleted meanwhile."""
    copied = AlertRule.objects.select_related("tenant").filter(pk=rule.pk).first()
    if copied is None:
        raise NotFound(NOT_HERE)
    copied.tenant = rule.tenant
    return copied


def _changes(old: AlertRule, new: AlertRule) -> dict[str, Any]:
    both = {name: (getattr(old, name), getattr(new, name)) for name in FIELDS}
    return {name: list(pair) for name, pair in both.items() if pair[0] != pair[1]}


def _check(rule: AlertRule) -> None:
    metric = METRICS.get(rule.metric)
    if not rule.name:
        raise _wrong("name", "Give the rule a name.")
    if metric is None:
        raise _wrong("metric", f"Unknown metric. Known: {', '.join(METRICS)}.")
    if rule.each_tenant and rule.tenant is not None:
        raise _wrong("each_tenant", "A tenant's own rule watches that tenant.")
    scope = FLEET if rule.tenant is None and not rule.each_tenant else TENANT
    if scope not in metric.scopes:
        other = "of the fleet" if scope == TENANT else "of each tenant"
        raise _wrong("metric", f"{metric.label} is a figure {other}.")
    _check_times(rule)
    _check_thresholds(rule)


def _check_times(rule: AlertRule) -> None:
    window = rule.window_minutes
    if not SHORTEST_WINDOW <= window <= LONGEST_WINDOW or window % SHORTEST_WINDOW:
        raise _wrong("window_minutes", "A window has 5 to 1440 minutes, in steps of 5.")
    if rule.renotify_minutes and not 5 <= rule.renotify_minutes <= LONGEST_RENOTIFY:
        raise _wrong(
            "renotify_minutes", "It is told again after 5 minutes to 7 days, or with 0 never."
        )
    if not 0 <= rule.minimum_count <= MOST_COUNTED:
        raise _wrong("minimum_count", f"The least count is from 0 to {MOST_COUNTED:,}.")


def _check_thresholds(rule: AlertRule) -> None:
    both = (rule.warning_threshold, rule.alert_threshold)
    known = [each for each in both if each is not None]
    if not known:
        raise _wrong("alert_threshold", "Set a threshold for an alert, for a warning, or both.")
    if any(not math.isfinite(each) or abs(each) > 1e12 for each in known):
        raise _wrong("alert_threshold", "A threshold is a number.")
    is_above = rule.comparison == AlertRule.Comparison.ABOVE
    if len(known) == 2 and (known[0] >= known[1] if is_above else known[0] <= known[1]):
        where = "below" if is_above else "above"
        raise _wrong("warning_threshold", f"The warning has to come first: {where} the alert.")


def _check_room(owner: Tenant | None) -> None:
    if AlertRule.objects.filter(tenant=owner).count() >= MOST_RULES:
        raise Conflict(f"There are {MOST_RULES} rules already: delete one.", code="too_many_rules")


def _own_notifiers(owner: Tenant | None, wanted: Any) -> list[Notifier] | None:
    if wanted is None:
        return None
    keys = {getattr(one, "pk", one) for one in wanted}
    found = list(Notifier.objects.filter(tenant=owner, pk__in=keys))
    if len(found) < len(keys):
        raise _wrong("notifiers", "Some of these notifiers are not there.")
    return found


def _wrong(name: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, extra={"field": name})


def _record(
    what: str, rule: AlertRule, actor: Actor, *, tenant: Tenant | None = None, **detail: Any
) -> None:
    record_event(
        f"alert_rule.{what}", actor=actor, tenant=tenant or rule.tenant, target=rule.name, **detail
    )

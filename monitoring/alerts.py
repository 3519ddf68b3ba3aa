"""The watch: every minute each rule is held against the figures, and what changed is stored together
with the messages that tell it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from django.db import connection, transaction
from django.utils import timezone

from monitoring import outbox
from monitoring.alert_messages import Told, payload_of
from monitoring.levels import Reading, State, has_data, state_of, step
from monitoring.metrics import METRICS, NOTHING, Readings
from monitoring.models import Alert, AlertMute, AlertRule, Notifier, SyncOutcome
from monitoring.readings import Wanted, read_all
from tenants.models import Tenant

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from monitoring.levels import Event

log = structlog.get_logger(__name__)

WATCH_LOCK = 0x616C
KEPT_ALERTS = timedelta(days=180)
KEPT_OUTCOMES = timedelta(days=30)
CHANGED = ["level", "value", "worst_value", "count", "fine_since", "resolved_at", "notified_at"]
# Whom an alert is of: its rule and its tenant, None for the fleet.
Key = tuple["UUID", int | None]


def evaluate_rules(now: datetime | None = None) -> int:
    """How many alerts were opened, changed or resolved. None if another process watches just now."""
    now = now or timezone.now()
    rules = [rule for rule in _enabled_rules() if rule.metric in METRICS]
    tenants = {tenant.pk: tenant for tenant in _watched_tenants()}
    readings = read_all((_wanted(rule) for rule in rules), now)
    with transaction.atomic():
        if not _take_lock():
            return 0
        watch = _Watch(now, tenants, readings, _open_alerts())
        for rule in rules:
            for tenant in _whom(rule, tenants):
                watch.look(rule, tenant)
        return watch.write()


def forget_old_alerts(now: datetime) -> None:
    Alert.objects.filter(resolved_at__lt=now - KEPT_ALERTS).delete()
    SyncOutcome.objects.filter(finished_at__lt=now - KEPT_OUTCOMES).delete()


def end_alerts(rule: AlertRule, reason: str) -> int:
    """Nobody looks at them any more, so they are over, and nobody is told. How many."""
    still_open = Alert.objects.filter(rule=rule, resolved_at=None)
    return still_open.update(resolved_at=timezone.now(), ended_by=reason)


def _enabled_rules() -> Iterable[AlertRule]:
    rules = AlertRule.objects.filter(is_enabled=True).select_related("tenant")
    return rules.prefetch_related("notifiers").order_by("created_at")


def _watched_tenants() -> Iterable[Tenant]:
    active = Tenant.objects.customers().filter(status=Tenant.Status.ACTIVE)
    return active.only("slug", "name")


def _wanted(rule: AlertRule) -> Wanted:
    ids = frozenset() if rule.tenant_id is None else frozenset({rule.tenant_id})
    return Wanted(
        metric=rule.metric,
        window_minutes=rule.window_minutes,
        tenant_ids=None if rule.each_tenant else ids,
        fleet=rule.tenant_id is None and not rule.each_tenant,
    )


def _whom(rule: AlertRule, tenants: dict[int, Tenant]) -> Iterable[Tenant | None]:
    if rule.each_tenant:
        return tenants.values()
    if rule.tenant_id is None:
        return (None,)
    return (tenants[rule.tenant_id],) if rule.tenant_id in tenants else ()


def _take_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, 0)", [WATCH_LOCK])
        return cursor.fetchone()[0]


def _open_alerts() -> dict[Key, Alert]:
    return {
        (alert.rule_id, alert.tenant_id): alert for alert in Alert.objects.filter(resolved_at=None)
    }


@dataclass(slots=True)
class _Watch:
    """One look at everything. Nothing is stored before `write`."""

    now: datetime
    tenants: dict[int, Tenant]
    readings: dict[tuple[str, int], Readings]
    known: dict[Key, Alert]
    seen: set[Key] = field(default_factory=set)
    new: list[Told] = field(default_factory=list)
    changed: list[Alert] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)

    def look(self, rule: AlertRule, tenant: Tenant | None) -> None:
        key = (rule.pk, tenant.pk if tenant else None)
        self.seen.add(key)
        readings = self.readings[rule.metric, rule.window_minutes]
        reading = readings.get(key[1]) or NOTHING[rule.metric]
        alert = self.known.get(key)
        state, event = step(rule, alert and state_of(alert), reading, self.now)
        if alert is None and state is not None:
            self._open(rule, tenant, state, reading)
        elif alert is not None:
            alert.rule, alert.tenant = rule, tenant
            self._change(alert, state, event, reading)

    def write(self) -> int:
        """How many were opened, changed or ended."""
        ended = self._end_unwatched()
        kept = self._still_there(self.new)
        Alert.objects.bulk_create([one.alert for one in kept])
        Alert.objects.bulk_update(self.changed, CHANGED, batch_size=500)
        told = [*(one for one in kept if one.alert.notified_at), *self.told]
        _tell(told, self.now)
        for one in told:
            tenant = one.alert.tenant
            slug = tenant.slug if tenant else "fleet"
            log.info("alert", what=one.event, rule=str(one.alert.rule_id), tenant=slug)
        return len(kept) + len(self.told) + ended

    def _open(self, rule: AlertRule, tenant: Tenant | None, state: State, reading: Reading) -> None:
        alert = Alert(
            rule=rule,
            tenant=tenant,
            level=state.level,
            value=reading.value,
            worst_value=state.worst_value,
            count=reading.count,
            opened_at=self.now,
            notified_at=None if self._is_muted(rule) else self.now,
        )
        self.new.append(Told("opened", alert))

    def _change(
        self, alert: Alert, state: State | None, event: Event | None, reading: Reading
    ) -> None:
        before = [getattr(alert, name) for name in CHANGED]
        is_untold = alert.notified_at is None
        if has_data(alert.rule, reading):
            alert.value, alert.count = reading.value, reading.count
        if state is None:
            alert.resolved_at = self.now
        else:
            alert.level, alert.worst_value = state.level, state.worst_value
            alert.fine_since = state.fine_since
        if self._is_muted(alert.rule):
            event = None
        elif is_untold:
            # It was opened while the rule was muted: now is the time, if it is still there.
            event = "opened" if state and state.fine_since is None else None
        if event and state:
            alert.notified_at = self.now
        if [getattr(alert, name) for name in CHANGED] != before:
            self.changed.append(alert)
        if event:
            self.told.append(Told(event, alert))

    def _is_muted(self, rule: AlertRule) -> bool:
        return bool(rule.muted_until and rule.muted_until > self.now)

    def _end_unwatched(self) -> int:
        """Of rules that were disabled and tenants that were suspended. Quietly."""
        left = [alert for key, alert in self.known.items() if key not in self.seen]
        for alert in left:
            gone = alert.tenant_id is not None and alert.tenant_id not in self.tenants
            alert.ended_by = (
                "The tenant is suspended" if gone else "The rule does not look any more"
            )
            alert.resolved_at = self.now
        Alert.objects.bulk_update(left, ["resolved_at", "ended_by"], batch_size=500)
        return len(left)

    def _still_there(self, new: list[Told]) -> list[Told]:
        """Without those whose rule or tenant is being deleted at this moment."""
        if not new:
            return []
        rules = _hold("monitoring_alertrule", {one.alert.rule_id for one in new})
        tenants = _hold("tenants_tenant", {one.alert.tenant_id for one in new})
        return [
            one
            for one in new
            if one.alert.rule_id in rules and one.alert.tenant_id in {None, *tenants}
        ]


def _hold(table: str, keys: set[Any]) -> set[Any]:
    """Those that are there, and stay until the end of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM {table} WHERE id = ANY(%s) FOR KEY SHARE SKIP LOCKED",  # noqa: S608
            [list(keys - {None})],
        )
        return {row[0] for row in cursor.fetchall()}


def _tell(told: list[Told], now: datetime) -> None:
    """Everything that a notifier is told at one moment is one message."""
    if not told:
        return
    by_notifier: dict[Notifier, list[Told]] = defaultdict(list)
    audience = _Audience(told, now)
    for one in told:
        for notifier in audience.of(one):
            by_notifier[notifier].append(one)
    payloads = [payload_of(several, now) for several in by_notifier.values()]
    outbox.store(list(by_notifier), "alerts", payloads)


class _Audience:
    """Who is told: the notifiers that the rule names, or else all of its owner; and of rules that
    watch each tenant, that tenant's own as well, unless it has muted the rule for itself."""

    def __init__(self, told: list[Told], now: datetime) -> None:
        tenant_ids = {one.alert.tenant_id for one in told} - {None}
        enabled = Notifier.objects.filter(is_enabled=True, sends_alerts=True).order_by("created_at")
        self._by_owner: dict[int | None, list[Notifier]] = defaultdict(list)
        for notifier in [
            *enabled.filter(tenant=None),
            *enabled.filter(tenant_id__in=tenant_ids),
        ]:
            self._by_owner[notifier.tenant_id].append(notifier)
        mutes = AlertMute.objects.filter(until__gt=now, tenant_id__in=tenant_ids)
        self._mutes = set(mutes.values_list("rule_id", "tenant_id"))

    def of(self, one: Told) -> list[Notifier]:
        rule, tenant_id = one.alert.rule, one.alert.tenant_id
        owned = self._by_owner[rule.tenant_id]
        named = {notifier.pk for notifier in rule.notifiers.all()}
        found = [each for each in owned if each.pk in named] if named else list(owned)
        if rule.each_tenant and (rule.pk, tenant_id) not in self._mutes:
            found += self._by_owner[tenant_id]
        return found

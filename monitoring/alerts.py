"""The watch: every minute each rule is held against the figures, and what changed is stored together
with the messages that tell it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.utils import timezone

from monitoring.alert_messages import Told
from monitoring.audience import hold_all, tell, tell_tenants
from monitoring.levels import Reading, State, has_data, state_of, step
from monitoring.metrics import METRICS, NOTHING, Readings
from monitoring.models import Alert, AlertMute, AlertRule, SyncOutcome
from monitoring.readings import Wanted, read_all
from tenants.models import Tenant

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from monitoring.levels import Event

WATCH_LOCK = 0x616C
KEPT_ALERTS = timedelta(days=180)
KEPT_OUTCOMES = timedelta(days=30)
CHANGED = ["level", "value", "worst_value", "count", "fine_since", "resolved_at", "notified_at"]
# Whom an alert is of: its rule and its tenant, None for the fleet.
Key = tuple["UUID", int | None]


def evaluate_rules(now: datetime | None = None) -> int:
    """How many alerts were opened, told or ended; 0 if another process watches just now."""
    now = now or _database_now()
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
    """Nobody looks at them any more, so they are over, and nobody is told. How many. With the watch
    kept away."""
    still_open = Alert.objects.filter(rule=rule, resolved_at=None)
    return still_open.update(resolved_at=timezone.now(), ended_by=reason)


def keep_watch_away() -> None:
    """Until the end of the transaction: what is changed now, the watch would write back. Before any row
    is changed, so that no two wait for each other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [WATCH_LOCK])


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


def _database_now() -> datetime:
    """By the clock that the figures have their times of: those of machines may differ."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


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
        reading = self._reading(rule, key[1])
        alert = self.known.get(key)
        state, event = step(rule, alert and state_of(alert), reading, self.now)
        if alert is None and state is not None:
            self._open(rule, tenant, state, reading)
        elif alert is not None:
            alert.rule, alert.tenant = rule, tenant
            self._change(alert, state, event, reading)

    def write(self) -> int:
        """How many were opened, told or ended."""
        ended = self._end_unwatched()
        is_as_read = hold_all([*self.new, *self.told])
        new, told = (list(filter(is_as_read, several)) for several in (self.new, self.told))
        # The others stay as they were, for the next look.
        left = {one.alert.pk for one in self.told} - {one.alert.pk for one in told}
        changed = [alert for alert in self.changed if alert.pk not in left]
        Alert.objects.bulk_create([one.alert for one in new])
        Alert.objects.bulk_update(changed, CHANGED, batch_size=500)
        tell([*(one for one in new if one.alert.notified_at), *told], self.now)
        self._end_tenants_mutes({one.alert.pk for one in told})
        return len(new) + len(told) + ended

    def _reading(self, rule: AlertRule, tenant_id: int | None) -> Reading:
        readings = self.readings[rule.metric, rule.window_minutes]
        return readings.get(tenant_id) or NOTHING[rule.metric]

    def _open(self, rule: AlertRule, tenant: Tenant | None, state: State, reading: Reading) -> None:
        alert = Alert(
            rule=rule,
            tenant=tenant,
            level=state.level,
            value=reading.value if has_data(rule, reading) else None,
            worst_value=state.worst_value,
            count=reading.count,
            opened_at=self.now,
            notified_at=None if self._is_muted(rule) else self.now,
        )
        self.new.append(Told("opened", alert, reading))

    def _change(
        self, alert: Alert, state: State | None, event: Event | None, reading: Reading
    ) -> None:
        before = [getattr(alert, name) for name in CHANGED]
        if has_data(alert.rule, reading):
            alert.value, alert.count = reading.value, reading.count
        elif alert.rule.no_data != AlertRule.NoData.KEEP:
            alert.value, alert.count = None, reading.count
        if state is None:
            alert.resolved_at = self.now
        else:
            alert.level, alert.worst_value = state.level, state.worst_value
            alert.fine_since = state.fine_since
        event = self._after_mute(alert, state, event)
        if event and state:
            alert.notified_at = self.now
        if [getattr(alert, name) for name in CHANGED] != before:
            self.changed.append(alert)
        if event:
            self.told.append(Told(event, alert, reading))

    def _after_mute(self, alert: Alert, state: State | None, event: Event | None) -> Event | None:
        """What is left to tell. When a mute ends, an alert that is still there is told once."""
        if self._is_muted(alert.rule):
            return None
        is_there = state is not None and state.fine_since is None
        if alert.notified_at is None:
            return "opened" if is_there else None
        until = alert.rule.muted_until
        if until and alert.notified_at < until and is_there:
            return event or "still_open"
        return event

    def _is_muted(self, rule: AlertRule) -> bool:
        return bool(rule.muted_until and rule.muted_until > self.now)

    def _end_tenants_mutes(self, told: set[UUID]) -> None:
        """Of operators' rules, each once: the tenant's own notifiers are told what is still there."""
        mutes = AlertMute.objects.filter(until__lte=self.now)
        over = {(mute.rule_id, mute.tenant_id): mute.pk for mute in mutes}
        if not over:
            return
        found = [self.known[key] for key in over if key in self.known]
        there = [
            Told("still_open", alert, self._reading(alert.rule, alert.tenant_id))
            for alert in found
            if alert.resolved_at is None and alert.fine_since is None and alert.pk not in told
        ]
        is_as_read = hold_all(there)
        tell_tenants([one for one in there if is_as_read(one)], self.now)
        AlertMute.objects.filter(pk__in=over.values()).delete()

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

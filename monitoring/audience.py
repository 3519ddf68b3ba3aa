"""Who is told of alerts, in the transaction that changes them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import structlog
from django.db import connection

from monitoring import outbox
from monitoring.alert_messages import payload_of
from monitoring.models import AlertMute, AlertRule, Notifier

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from monitoring.alert_messages import Told

log = structlog.get_logger(__name__)

# What is being deleted at this moment is as good as gone.
HOLD_TENANTS = "SELECT id FROM tenants_tenant WHERE id = ANY(%s) FOR KEY SHARE SKIP LOCKED"


def hold_all(several: list[Told]) -> Callable[[Told], bool]:
    """Whether the rule is the one that was read, and its tenant is there, and both until the end of the
    transaction: so nothing is opened by a rule that was changed, nor told of a tenant that is gone."""
    keys = {one.alert.rule_id for one in several}
    held = AlertRule.objects.select_for_update(skip_locked=True, no_key=True).filter(pk__in=keys)
    rules = set(held.values_list("pk", "updated_at")) if keys else set()
    tenants = _hold_tenants({one.alert.tenant_id for one in several})
    return lambda one: (
        (one.alert.rule_id, one.alert.rule.updated_at) in rules and one.alert.tenant_id in tenants
    )


def _hold_tenants(keys: set[int | None]) -> set[int | None]:
    if wanted := list(keys - {None}):
        with connection.cursor() as cursor:
            cursor.execute(HOLD_TENANTS, [wanted])
            return {None, *(key for (key,) in cursor.fetchall())}
    return {None}


def tell(told: list[Told], now: datetime) -> None:
    """The notifiers that a rule names, or else all of its owner; and of rules that watch each tenant,
    that tenant's own as well, unless it has muted the rule for itself."""
    if not told:
        return
    for one in told:
        slug = one.alert.tenant.slug if one.alert.tenant else "fleet"
        log.info("alert", what=one.event, rule=str(one.alert.rule_id), tenant=slug)
    audience = _Audience(told, now)
    _store([(one, audience.of(one)) for one in told], now)


def tell_tenants(told: list[Told], now: datetime) -> None:
    """Only the own notifiers of the tenants that they are about."""
    if told:
        audience = _Audience(told, now)
        _store([(one, audience.of_tenant(one)) for one in told], now)


def _store(told: list[tuple[Told, list[Notifier]]], now: datetime) -> None:
    """Everything that a notifier is told at one moment is one message."""
    by_notifier: dict[Notifier, list[Told]] = defaultdict(list)
    for one, notifiers in told:
        for notifier in notifiers:
            by_notifier[notifier].append(one)
    # Those that are deleted meanwhile would make the whole transaction fail.
    held = Notifier.objects.select_for_update(no_key=True).filter(
        pk__in=[n.pk for n in by_notifier]
    )
    there = set(held.values_list("pk", flat=True)) if by_notifier else set()
    notifiers = [notifier for notifier in by_notifier if notifier.pk in there]
    payloads = [payload_of(by_notifier[notifier], now) for notifier in notifiers]
    outbox.store(notifiers, "alerts", payloads)


class _Audience:
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
        rule = one.alert.rule
        owned = self._by_owner[rule.tenant_id]
        named = {notifier.pk for notifier in rule.notifiers.all()}
        found = [each for each in owned if each.pk in named] if named else list(owned)
        return found + self.of_tenant(one) if rule.each_tenant else found

    def of_tenant(self, one: Told) -> list[Notifier]:
        rule, tenant_id = one.alert.rule_id, one.alert.tenant_id
        return [] if (rule, tenant_id) in self._mutes else self._by_owner[tenant_id]

"""Rules, what they found, and whom it is told."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Now

from tenants.models import Tenant


class Notifier(models.Model):
    """Where alerts and reports are sent. No tenant: the installation's own."""

    class Kind(models.TextChoices):
        EMAIL = "email"
        WEBHOOK = "webhook"
        SLACK = "slack"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.CASCADE)
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    # Addresses, one a line; of a URL, which is a credential itself, only what may be shown.
    target = models.TextField()
    url_encrypted = models.TextField(blank=True, default="")
    # Webhooks are signed with it.
    secret_encrypted = models.TextField(blank=True, default="")
    sends_alerts = models.BooleanField(default=True)
    sends_reports = models.BooleanField(default=False)
    is_enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "name"], name="one_notifier_a_name", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return self.name

    if TYPE_CHECKING:
        tenant_id: int | None


class AlertRule(models.Model):
    """Compares one metric over the last minutes with two thresholds.

    Of a tenant; or, without one, either of every tenant by itself (`each_tenant`) or of the fleet.
    """

    class Comparison(models.TextChoices):
        ABOVE = "above"
        BELOW = "below"

    class NoData(models.TextChoices):
        OK = "ok"
        KEEP = "keep"
        ALERT = "alert"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.CASCADE)
    each_tenant = models.BooleanField(default=False)
    name = models.CharField(max_length=100)
    # A key of monitoring.metrics.METRICS.
    metric = models.CharField(max_length=40)
    window_minutes = models.PositiveIntegerField()
    comparison = models.CharField(max_length=5, choices=Comparison.choices)
    warning_threshold = models.FloatField(null=True, blank=True)
    alert_threshold = models.FloatField(null=True, blank=True)
    # Fewer than this many in the window (questions, or what the metric counts): there is no data.
    minimum_count = models.PositiveIntegerField(default=1)
    no_data = models.CharField(max_length=5, choices=NoData.choices, default=NoData.OK)
    # While it is open it is told again; 0: never.
    renotify_minutes = models.PositiveIntegerField(default=0)
    muted_until = models.DateTimeField(null=True, blank=True)
    is_enabled = models.BooleanField(default=True)
    # The name of one of the rules that every installation begins with.
    built_in = models.CharField(max_length=40, blank=True, default="")
    # None chosen: all of the rule's tenant, or of the installation.
    notifiers = models.ManyToManyField(Notifier, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["built_in"],
                condition=~models.Q(built_in=""),
                name="one_built_in_rule",
            )
        ]

    def __str__(self) -> str:
        return self.name

    if TYPE_CHECKING:
        tenant_id: int | None


class Alert(models.Model):
    """A rule that was broken, from its opening to its end. At most one is open of a rule and a tenant."""

    class Level(models.TextChoices):
        WARNING = "warning"
        ALERT = "alert"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE)
    # Whom it is about; null: the fleet.
    tenant = models.ForeignKey(Tenant, null=True, on_delete=models.CASCADE)
    level = models.CharField(max_length=10, choices=Level.choices)
    # Null: there was no data.
    value = models.FloatField(null=True)
    worst_value = models.FloatField(null=True)
    # How many the value rests on.
    count = models.BigIntegerField(default=0)
    opened_at = models.DateTimeField(db_default=Now())
    # Since when the figure is better than the level says (monitoring.levels.CALM).
    fine_since = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    # Empty: the figure was fine again. Else why nobody looks at it any more.
    ended_by = models.CharField(max_length=100, blank=True, default="")
    # When it was told last, or would have been if nobody had muted it.
    notified_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "tenant"],
                condition=models.Q(resolved_at=None),
                name="one_open_alert",
                nulls_distinct=False,
            )
        ]
        indexes = [
            models.Index(fields=["tenant", "-opened_at"], name="alerts_newest"),
            models.Index(
                fields=["tenant"], condition=models.Q(resolved_at=None), name="alerts_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule} {self.level} since {self.opened_at}"

    if TYPE_CHECKING:
        rule_id: uuid.UUID
        tenant_id: int | None


class AlertMute(models.Model):
    """Until when a tenant's own notifiers keep still about a rule that is the operator's."""

    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    until = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rule", "tenant"], name="one_mute_a_rule")]

    def __str__(self) -> str:
        return f"{self.rule} until {self.until}"

    if TYPE_CHECKING:
        rule_id: uuid.UUID
        tenant_id: int


class Notification(models.Model):
    """A message on its way: written with what it is about, sent afterwards, tried again if need be."""

    class Status(models.TextChoices):
        WAITING = "waiting"
        SENT = "sent"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    notifier = models.ForeignKey(Notifier, on_delete=models.CASCADE)
    # A key of monitoring.outbox.WRITERS, which makes the message of the payload.
    event = models.CharField(max_length=20)
    # Numbers and names only.
    payload = models.JSONField(default=dict)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(db_default=Now())
    last_error = models.CharField(max_length=300, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=models.Q(status="waiting"),
                name="notifications_due",
            ),
            models.Index(fields=["notifier", "-created_at"], name="notifications_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.notifier}: {self.status}"

    if TYPE_CHECKING:
        notifier_id: uuid.UUID


class SyncOutcome(models.Model):
    """How a tenant's sync runs ended: numbers for alerts, while the runs are the tenant's own rows."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    run_id = models.UUIDField(unique=True)
    source_id = models.UUIDField()
    status = models.CharField(max_length=20)
    failed_documents = models.PositiveIntegerField(default=0)
    finished_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["finished_at"], name="sync_outcome_times")]

    def __str__(self) -> str:
        return f"{self.run_id}: {self.status}"

"""Alerts and their rules over the API: a tenant's for its admins, all of them for operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from monitoring.alert_list import alerts_of
from monitoring.alert_messages import traces_path
from monitoring.alert_rules import (
    LONGEST_MUTE,
    build_rule,
    delete_rule,
    find_rule,
    mute,
    muted_until,
    rules_of,
    save_rule,
)
from monitoring.metrics import METRICS
from monitoring.models import Alert, AlertRule
from monitoring.preview import preview_rule
from ragadmin.drf import HasScope, Pages
from ragadmin.errors import InvalidRequest, NotFound
from tenants.api import actor_of, find_tenant, read
from tenants.config import Caller
from tenants.models import Tenant
from tenants.serializers import StrictSerializer

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request


class RuleSerializer(serializers.Serializer[AlertRule]):
    id = serializers.UUIDField()
    tenant = serializers.CharField(
        source="tenant.slug", default=None, help_text="null: a rule of the operator."
    )
    each_tenant = serializers.BooleanField(
        help_text="Of an operator's rule: each tenant by itself, and not the fleet as a whole."
    )
    name = serializers.CharField()
    metric = serializers.ChoiceField(list(METRICS))
    window_minutes = serializers.IntegerField()
    comparison = serializers.ChoiceField(AlertRule.Comparison.choices)
    warning_threshold = serializers.FloatField(allow_null=True)
    alert_threshold = serializers.FloatField(allow_null=True)
    minimum_count = serializers.IntegerField()
    no_data = serializers.ChoiceField(AlertRule.NoData.choices)
    renotify_minutes = serializers.IntegerField()
    is_enabled = serializers.BooleanField()
    muted_until = serializers.SerializerMethodField(help_text="For whoever asks.")
    notifiers = serializers.SerializerMethodField(help_text="Empty: all of the rule's owner.")
    created_at = serializers.DateTimeField()

    def get_muted_until(self, rule: AlertRule) -> str | None:
        until = self.context["muted"].get(rule.pk)
        return until.isoformat() if until else None

    def get_notifiers(self, rule: AlertRule) -> list[str]:
        """Ids, and of an operator's rule none for a tenant."""
        owner = self.context["owner"]
        if owner is not None and rule.tenant_id != owner.pk:
            return []
        return [str(one.pk) for one in rule.notifiers.all()]


class RuleChangeSerializer(StrictSerializer):
    name = serializers.CharField(max_length=100)
    metric = serializers.ChoiceField(list(METRICS))
    window_minutes = serializers.IntegerField(help_text="5 to 1440, in steps of 5.")
    comparison = serializers.ChoiceField(
        AlertRule.Comparison.choices, help_text="Beyond the threshold, and not at it."
    )
    warning_threshold = serializers.FloatField(
        required=False, allow_null=True, help_text="Rates are shares of 1, times ms."
    )
    alert_threshold = serializers.FloatField(required=False, allow_null=True)
    minimum_count = serializers.IntegerField(
        required=False, help_text="With fewer of what the metric counts there is no data."
    )
    no_data = serializers.ChoiceField(AlertRule.NoData.choices, required=False)
    renotify_minutes = serializers.IntegerField(required=False, help_text="0: never.")
    is_enabled = serializers.BooleanField(required=False)
    each_tenant = serializers.BooleanField(required=False, help_text="For operators.")
    notifiers = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=20)


class MuteSerializer(StrictSerializer):
    minutes = serializers.IntegerField(
        min_value=0, max_value=LONGEST_MUTE, help_text="0 unmutes the rule."
    )


class AlertSerializer(serializers.Serializer[Alert]):
    id = serializers.UUIDField()
    rule = serializers.UUIDField(source="rule_id")
    rule_name = serializers.CharField(source="rule.name")
    metric = serializers.CharField(source="rule.metric")
    tenant = serializers.CharField(source="tenant.slug", default=None, help_text="null: the fleet.")
    level = serializers.ChoiceField(Alert.Level.choices)
    value = serializers.FloatField(allow_null=True)
    worst_value = serializers.FloatField(allow_null=True)
    count = serializers.IntegerField(help_text="How many the value rests on.")
    opened_at = serializers.DateTimeField()
    resolved_at = serializers.DateTimeField(allow_null=True)
    ended_by = serializers.CharField(
        allow_blank=True, help_text="Why it ended, if not because the figure was fine again."
    )
    traces = serializers.SerializerMethodField(help_text="Path of the questions of its time.")

    def get_traces(self, alert: Alert) -> str:
        return traces_path(alert, timezone.now())


class EpisodeSerializer(serializers.Serializer[Any]):
    opened_at = serializers.DateTimeField()
    resolved_at = serializers.DateTimeField(allow_null=True)
    level = serializers.CharField()
    worst_value = serializers.FloatField(allow_null=True)


class PreviewSerializer(serializers.Serializer[Any]):
    tenant = serializers.CharField(source="tenant.slug", default=None)
    messages = serializers.IntegerField(help_text="How often somebody would have been told.")
    episodes = EpisodeSerializer(many=True)


class AlertView(APIView):
    permission_classes = (HasScope("admin", "operator"),)

    @property
    def owner(self) -> Tenant | None:
        """None for an operator who names no tenant: everything."""
        caller: Any = self.request.auth
        return Tenant.objects.get(pk=caller.tenant.id) if isinstance(caller, Caller) else None

    def paged(self, rows: Any, serializer: type[Any], **context: Any) -> Response:
        pages = Pages()
        page = pages.paginate_queryset(rows, self.request, view=self)
        return pages.get_paginated_response(serializer(page, many=True, context=context).data)

    def show_rule(self, rule: AlertRule, status: int = 200) -> Response:
        owner = self.owner
        context = {"owner": owner, "muted": muted_until([rule], owner)}
        return Response(RuleSerializer(rule, context=context).data, status=status)


class RuleList(AlertView):
    pagination_class = Pages

    @extend_schema(operation_id="alert_rules_list", responses=RuleSerializer(many=True))
    def get(self, request: Request) -> Response:
        """For a tenant: its own, and those of the operator that watch each tenant."""
        owner = self.owner
        rules = rules_of(owner).filter(metric__in=METRICS)
        return self.paged(rules, RuleSerializer, owner=owner, muted=muted_until(rules, owner))

    @extend_schema(
        operation_id="alert_rules_create",
        request=RuleChangeSerializer,
        responses={201: RuleSerializer},
    )
    def post(self, request: Request) -> Response:
        values = read(RuleChangeSerializer, request)
        rule = save_rule(owner=self.owner, values=values, actor=actor_of(request))
        return self.show_rule(rule, 201)


class RulePreview(AlertView):
    @extend_schema(
        operation_id="alert_rules_preview",
        request=RuleChangeSerializer,
        responses=PreviewSerializer(many=True),
    )
    def post(self, request: Request) -> Response:
        """What such a rule would have done in the last 7 days. Nothing is saved. Of a rule for each
        tenant: of those with the most questions. Empty where the past of the metric is not kept."""
        built = build_rule(self.owner, read(RuleChangeSerializer, request))
        return Response(PreviewSerializer(preview_rule(built, timezone.now()), many=True).data)


class RuleDetail(AlertView):
    @extend_schema(operation_id="alert_rules_retrieve", responses=RuleSerializer)
    def get(self, request: Request, rule_id: UUID) -> Response:
        return self.show_rule(find_rule(self.owner, rule_id, own=False))

    @extend_schema(
        operation_id="alert_rules_change", request=RuleChangeSerializer, responses=RuleSerializer
    )
    def patch(self, request: Request, rule_id: UUID) -> Response:
        """What is left out stays."""
        rule = find_rule(self.owner, rule_id)
        changes = RuleChangeSerializer(data=request.data, partial=True)
        changes.is_valid(raise_exception=True)
        saved = save_rule(
            owner=rule.tenant, values=changes.validated_data, rule=rule, actor=actor_of(request)
        )
        return self.show_rule(saved)

    @extend_schema(operation_id="alert_rules_delete", responses={204: None})
    def delete(self, request: Request, rule_id: UUID) -> Response:
        """With its alerts, open and past."""
        delete_rule(find_rule(self.owner, rule_id), actor=actor_of(request))
        return Response(status=204)


class RuleMute(AlertView):
    @extend_schema(
        operation_id="alert_rules_mute", request=MuteSerializer, responses=RuleSerializer
    )
    def post(self, request: Request, rule_id: UUID) -> Response:
        """Nobody is told, and the rule is held against the figures all the same. An operator's rule is
        muted for the tenant's own notifiers only."""
        owner = self.owner
        rule = find_rule(owner, rule_id, own=False)
        minutes = read(MuteSerializer, request)["minutes"]
        mute(rule, minutes, owner=owner, actor=actor_of(request))
        return self.show_rule(rule)


class AlertList(AlertView):
    pagination_class = Pages

    @extend_schema(
        operation_id="alerts_list",
        parameters=[
            OpenApiParameter("state", str, enum=["open", "resolved"]),
            OpenApiParameter("tenant", str, description="A slug, for operators."),
            OpenApiParameter("rule", str, description="The id of a rule."),
        ],
        responses=AlertSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Newest first."""
        owner = self.owner
        if owner is None and (slug := request.query_params.get("tenant")):
            owner = find_tenant(slug)
        alerts = alerts_of(owner)
        if state := request.query_params.get("state"):
            if state not in ("open", "resolved"):
                raise InvalidRequest("state is open or resolved.", extra={"field": "state"})
            alerts = alerts.filter(resolved_at__isnull=state == "open")
        if rule := request.query_params.get("rule"):
            field = serializers.UUIDField()
            alerts = alerts.filter(rule_id=field.run_validation(rule))
        return self.paged(alerts, AlertSerializer)


class AlertDetail(AlertView):
    @extend_schema(operation_id="alerts_retrieve", responses=AlertSerializer)
    def get(self, request: Request, alert_id: UUID) -> Response:
        alert = alerts_of(self.owner).filter(pk=alert_id).first()
        if alert is None:
            raise NotFound("There is no alert with this id.")
        return Response(AlertSerializer(alert).data)

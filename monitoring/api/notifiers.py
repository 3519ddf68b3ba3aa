"""Notifiers over the API: a tenant's own for its admins, the installation's for operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from monitoring.api.alerts import AlertView
from monitoring.models import Notifier
from monitoring.notifier_settings import (
    LONGEST_URL,
    delete_notifier,
    find_notifier,
    notifiers_of,
    save_notifier,
    try_notifier,
)
from ragadmin.drf import Pages
from tenants.api import NOT_STORED, actor_of, read
from tenants.serializers import StrictSerializer

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request


class NotifierSerializer(serializers.Serializer[Notifier]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(Notifier.Kind.choices)
    target = serializers.CharField(
        help_text="Addresses, one a line; of a webhook only where it is."
    )
    sends_alerts = serializers.BooleanField()
    sends_reports = serializers.BooleanField()
    is_enabled = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class MadeNotifierSerializer(NotifierSerializer):
    secret = serializers.CharField(
        required=False, help_text="If it was made here: it cannot be shown again."
    )


class NotifierChangeSerializer(StrictSerializer):
    name = serializers.CharField(max_length=100)
    target = serializers.CharField(
        max_length=LONGEST_URL,
        help_text="Addresses, one a line, or the URL of a webhook, which is not shown again.",
    )
    secret = serializers.CharField(
        required=False,
        max_length=100,
        help_text="Of a webhook: whsec_ and 24 to 64 bytes in base64. It is never shown.",
    )
    sends_alerts = serializers.BooleanField(required=False)
    sends_reports = serializers.BooleanField(required=False)
    is_enabled = serializers.BooleanField(required=False)


class NewNotifierSerializer(NotifierChangeSerializer):
    kind = serializers.ChoiceField(Notifier.Kind.choices)


class DeliveredSerializer(serializers.Serializer[None]):
    delivered = serializers.BooleanField()


class NotifierList(AlertView):
    pagination_class = Pages

    @extend_schema(operation_id="notifiers_list", responses=NotifierSerializer(many=True))
    def get(self, request: Request) -> Response:
        """By name, without addresses of webhooks and secrets."""
        return self.paged(notifiers_of(self.owner), NotifierSerializer)

    @extend_schema(
        operation_id="notifiers_create",
        request=NewNotifierSerializer,
        responses={201: MadeNotifierSerializer},
    )
    def post(self, request: Request) -> Response:
        """A webhook without a `secret` is given one, which is in this one answer only."""
        values = read(NewNotifierSerializer, request)
        made, secret = save_notifier(owner=self.owner, values=values, actor=actor_of(request))
        shown = {"secret": secret} if secret else {}
        body = {**NotifierSerializer(made).data, **shown}
        return Response(body, status=201, headers=NOT_STORED)


class NotifierDetail(AlertView):
    @extend_schema(operation_id="notifiers_retrieve", responses=NotifierSerializer)
    def get(self, request: Request, notifier_id: UUID) -> Response:
        return Response(NotifierSerializer(find_notifier(self.owner, notifier_id)).data)

    @extend_schema(
        operation_id="notifiers_change",
        request=NotifierChangeSerializer,
        responses=NotifierSerializer,
    )
    def patch(self, request: Request, notifier_id: UUID) -> Response:
        """What is left out stays. Another `secret` takes the place of the old one at once."""
        notifier = find_notifier(self.owner, notifier_id)
        changes = NotifierChangeSerializer(data=request.data, partial=True)
        changes.is_valid(raise_exception=True)
        saved, _ = save_notifier(
            owner=notifier.tenant,
            values=changes.validated_data,
            notifier=notifier,
            actor=actor_of(request),
        )
        return Response(NotifierSerializer(saved).data)

    @extend_schema(operation_id="notifiers_delete", responses={204: None})
    def delete(self, request: Request, notifier_id: UUID) -> Response:
        """With the messages that wait for it."""
        delete_notifier(find_notifier(self.owner, notifier_id), actor=actor_of(request))
        return Response(status=204)


class NotifierTest(AlertView):
    @extend_schema(operation_id="notifiers_test", request=None, responses=DeliveredSerializer)
    def post(self, request: Request, notifier_id: UUID) -> Response:
        """Sends a message here and now. One that does not arrive is an error 502 `not_delivered` that
        says why."""
        notifier = find_notifier(self.owner, notifier_id)
        error = try_notifier(notifier, actor=actor_of(request))
        if error is not None:
            raise error
        return Response({"delivered": True})

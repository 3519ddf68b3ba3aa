"""The fleet for operators, and the members of a tenant for its admins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.response import Response
from rest_framework.views import APIView

from ragadmin.drf import HasScope, TenantAPIView
from ragadmin.errors import InvalidRequest, NotFound
from tenants.configure import update_tenant
from tenants.grants import granter_of_caller
from tenants.keys import create_api_key, revoke_api_key
from tenants.members import change_member, invite_member, remove_member
from tenants.models import ApiKey, Membership, Tenant, TenantMove, User
from tenants.moving.request import begin_move, cancel_move
from tenants.removal import remove_tenant
from tenants.serializers import (
    KeyCreateSerializer,
    KeySerializer,
    MemberChangeSerializer,
    MemberCreateSerializer,
    MemberSerializer,
    MoveCreateSerializer,
    MoveSerializer,
    NewKeySerializer,
    NewMemberSerializer,
    RemovalSerializer,
    TenantChangeSerializer,
    TenantCreateSerializer,
    TenantSerializer,
)
from tenants.services import create_tenant
from tenants.tasks import hint_move

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet
    from rest_framework.request import Request
    from rest_framework.serializers import Serializer


# A secret that is shown once must not stay in a cache on its way.
NOT_STORED = {"Cache-Control": "no-store"}


def read(serializer: type[Serializer[Any]], request: Request) -> dict[str, Any]:
    filled = serializer(data=request.data)
    filled.is_valid(raise_exception=True)
    return filled.validated_data


def actor_of(request: Request) -> User | str:
    caller: Any = request.auth
    return request.user if isinstance(request.user, User) else caller.label


def find_tenant(slug: str) -> Tenant:
    tenant = Tenant.objects.select_related("provider").filter(slug=slug).first()
    if tenant is None:
        raise NotFound(f"There is no tenant {slug!r}.")
    return tenant


class TenantList(ListAPIView):
    permission_classes = (HasScope("operator"),)
    serializer_class = TenantSerializer
    queryset = Tenant.objects.customers().select_related("provider").order_by("slug")

    @extend_schema(request=TenantCreateSerializer, responses={201: TenantSerializer})
    def post(self, request: Request) -> Response:
        tenant = create_tenant(**read(TenantCreateSerializer, request), actor=actor_of(request))
        return Response(TenantSerializer(tenant).data, status=201)


class TenantDetail(APIView):
    permission_classes = (HasScope("operator"),)

    @extend_schema(responses=TenantSerializer)
    def get(self, request: Request, slug: str) -> Response:
        return Response(TenantSerializer(find_tenant(slug)).data)

    @extend_schema(request=TenantChangeSerializer, responses=TenantSerializer)
    def patch(self, request: Request, slug: str) -> Response:
        changes = read(TenantChangeSerializer, request)
        tenant = update_tenant(tenant=find_tenant(slug), actor=actor_of(request), **changes)
        return Response(TenantSerializer(tenant).data)

    @extend_schema(
        parameters=[OpenApiParameter("confirm", str, required=True, description="The slug again.")],
        responses=RemovalSerializer,
    )
    def delete(self, request: Request, slug: str) -> Response:
        """Everything of the tenant goes for good. Tells what there was, and what is left: nothing."""
        tenant = find_tenant(slug)
        if request.query_params.get("confirm") != slug:
            raise InvalidRequest(
                f"Nothing was deleted: repeat the slug, as in ?confirm={slug}.",
                code="not_confirmed",
                extra={"field": "confirm"},
            )
        report = remove_tenant(tenant=tenant, actor=actor_of(request))
        return Response(RemovalSerializer(report).data)


class TenantMoveView(APIView):
    """The tenant's last move. A worker does it; it can be watched and cancelled here."""

    permission_classes = (HasScope("operator"),)

    @extend_schema(responses=MoveSerializer)
    def get(self, request: Request, slug: str) -> Response:
        move = TenantMove.objects.filter(tenant=find_tenant(slug)).order_by("-pk").first()
        if move is None:
            raise NotFound("The tenant was never moved.")
        return Response(MoveSerializer(move).data)

    @extend_schema(request=MoveCreateSerializer, responses={202: MoveSerializer})
    def post(self, request: Request, slug: str) -> Response:
        to = read(MoveCreateSerializer, request)["to"]
        move = begin_move(find_tenant(slug), to, actor_of(request))
        hint_move(move.pk)
        return Response(MoveSerializer(move).data, status=202)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str) -> Response:
        if not cancel_move(find_tenant(slug), actor_of(request)):
            raise NotFound("No move of this tenant is going on.")
        return Response(status=204)


class KeyList(ListAPIView):
    permission_classes = (HasScope("operator"),)
    serializer_class = KeySerializer
    queryset = ApiKey.objects.none()

    def get_queryset(self) -> QuerySet[ApiKey]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        return ApiKey.objects.filter(tenant=find_tenant(self.kwargs["slug"])).order_by(
            "-created_at", "id"
        )

    @extend_schema(request=KeyCreateSerializer, responses={201: NewKeySerializer})
    def post(self, request: Request, slug: str) -> Response:
        actor = actor_of(request)
        row, key = create_api_key(
            tenant=find_tenant(slug),
            **read(KeyCreateSerializer, request),
            created_by=actor if isinstance(actor, User) else None,
            actor=str(actor),
        )
        return Response({**KeySerializer(row).data, "key": key}, status=201, headers=NOT_STORED)


class KeyDetail(APIView):
    permission_classes = (HasScope("operator"),)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, key_id: UUID) -> Response:
        row = ApiKey.objects.filter(tenant=find_tenant(slug), pk=key_id).first()
        if row is None:
            raise NotFound("The tenant has no key with this id.")
        revoke_api_key(row, actor=actor_of(request))
        return Response(status=204)


class MemberList(TenantAPIView, ListAPIView):
    permission_classes = (HasScope("admin"),)
    serializer_class = MemberSerializer
    queryset = Membership.objects.none()

    def get_queryset(self) -> QuerySet[Membership]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        members = Membership.objects.filter(tenant_id=self.caller.tenant.id)
        return members.select_related("user").order_by("user__email")

    @extend_schema(request=MemberCreateSerializer, responses={201: NewMemberSerializer})
    def post(self, request: Request) -> Response:
        wanted = read(MemberCreateSerializer, request)
        wanted["access_levels"] = wanted["access_levels"] or self.caller.access_levels
        member, password = invite_member(
            tenant=Tenant.objects.get(pk=self.caller.tenant.id),
            **wanted,
            granter=granter_of_caller(self.caller, request.user),
        )
        shown = {**MemberSerializer(member).data, "initial_password": password}
        return Response(shown, status=201, headers=NOT_STORED)


class MemberDetail(TenantAPIView):
    permission_classes = (HasScope("admin"),)

    @extend_schema(responses=MemberSerializer)
    def get(self, request: Request, member_id: int) -> Response:
        return Response(MemberSerializer(self._find(member_id)).data)

    @extend_schema(request=MemberChangeSerializer, responses=MemberSerializer)
    def patch(self, request: Request, member_id: int) -> Response:
        member = self._find(member_id)
        changes = read(MemberChangeSerializer, request)
        changed = change_member(
            member=member,
            role=changes.get("role", member.role),
            access_levels=changes.get("access_levels", member.access_levels),
            granter=granter_of_caller(self.caller, request.user),
        )
        return Response(MemberSerializer(changed).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, member_id: int) -> Response:
        remove_member(
            member=self._find(member_id), granter=granter_of_caller(self.caller, request.user)
        )
        return Response(status=204)

    def _find(self, member_id: int) -> Membership:
        member = (
            Membership.objects.select_related("user", "tenant")
            .filter(tenant_id=self.caller.tenant.id, pk=member_id)
            .first()
        )
        if member is None:
            raise NotFound("The tenant has no member with this id.")
        return member

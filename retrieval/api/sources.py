"""Sources: make, look at, change, sync, pause, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.response import Response

from ragadmin.drf import HasScope, Pages, TenantAPIView
from ragadmin.errors import InvalidRequest
from retrieval.models import SyncRun
from retrieval.services.schedules import schedules_of
from retrieval.services.sources import (
    create_source,
    delete_source,
    pause_source,
    resume_source,
    update_source,
)
from retrieval.services.sync_runs import start_sync
from retrieval.sync_selectors import find_source, last_runs, visible_sources
from retrieval.sync_serializers import (
    SourceChangeSerializer,
    SourceCreateSerializer,
    SourceSerializer,
    StartedSerializer,
    SyncRequestSerializer,
)
from tenants.api import actor_of

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request
    from rest_framework.serializers import Serializer

    from retrieval.models import Source


class SyncView(TenantAPIView):
    permission_classes = (HasScope("ingest", "admin"),)

    @property
    def who(self) -> dict[str, Any]:
        """Of every change. What is out of the caller's sight is not found."""
        caller = self.caller
        return {
            "tenant": caller.tenant,
            "actor": actor_of(self.request),
            "allowed_levels": caller.access_levels,
        }


class SourceView(SyncView):
    def show(self, source_id: UUID, status: int = 200) -> Response:
        source = find_source(source_id, self.caller.access_levels)
        return Response(SourceSerializer(source, context=_context([source])).data, status=status)


class SourceList(SourceView):
    pagination_class = Pages

    @extend_schema(
        operation_id="sources_list",
        parameters=[OpenApiParameter(name, int) for name in ("page", "page_size")],
        responses=SourceSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """By name."""
        pages = Pages()
        sources = visible_sources(self.caller.access_levels)
        page: Any = pages.paginate_queryset(sources, request, view=self) or []
        shown = SourceSerializer(page, many=True, context=_context(page))
        return pages.get_paginated_response(shown.data)

    @extend_schema(
        operation_id="sources_create",
        request=SourceCreateSerializer,
        responses={201: SourceSerializer},
    )
    def post(self, request: Request) -> Response:
        """Its first sync comes with its schedule, unless one is started before."""
        values: dict[str, Any] = {"config": {}} | read(SourceCreateSerializer, request)
        source = create_source(**self.who, **values)
        return self.show(source.pk, 201)


class SourceDetail(SourceView):
    @extend_schema(operation_id="sources_retrieve", responses=SourceSerializer)
    def get(self, request: Request, source_id: UUID) -> Response:
        return self.show(source_id)

    @extend_schema(
        operation_id="sources_change", request=SourceChangeSerializer, responses=SourceSerializer
    )
    def patch(self, request: Request, source_id: UUID) -> Response:
        """What is left out stays. A new access level is given to the source's documents too, but for
        those that were moved to another one by hand."""
        find_source(source_id, self.caller.access_levels)
        changes = read(SourceChangeSerializer, request, partial=True)
        update_source(source_id=source_id, **self.who, **changes)
        return self.show(source_id)

    @extend_schema(operation_id="sources_delete", responses={204: None})
    def delete(self, request: Request, source_id: UUID) -> Response:
        """With its runs and its documents, which leave the search at once. For good."""
        delete_source(source_id=source_id, **self.who)
        return Response(status=204)


class SourceSync(SourceView):
    permission_classes = (HasScope("ingest"),)

    @extend_schema(
        operation_id="sources_sync",
        request=SyncRequestSerializer,
        responses={202: StartedSerializer},
    )
    def post(self, request: Request, source_id: UUID) -> Response:
        """Starts a run, or has one that waits for confirmation planned anew. 409 while one is under
        way."""
        find_source(source_id, self.caller.access_levels)
        wanted = read(SyncRequestSerializer, request)
        run = start_sync(source_id=source_id, trigger=SyncRun.Trigger.API, **self.who, **wanted)
        return Response({"sync_run": str(run.pk)}, status=202)


class SourcePause(SourceView):
    @extend_schema(operation_id="sources_pause", request=None, responses=SourceSerializer)
    def post(self, request: Request, source_id: UUID) -> Response:
        """Its schedule starts no more runs. One that has begun goes on."""
        pause_source(source_id=source_id, **self.who)
        return self.show(source_id)


class SourceResume(SourceView):
    @extend_schema(operation_id="sources_resume", request=None, responses=SourceSerializer)
    def post(self, request: Request, source_id: UUID) -> Response:
        resume_source(source_id=source_id, **self.who)
        return self.show(source_id)


def _context(sources: list[Source]) -> dict[str, Any]:
    ids = [source.pk for source in sources]
    return {"schedules": schedules_of(ids), "last_runs": last_runs(ids)}


def read(
    serializer: type[Serializer[Any]], request: Request, *, partial: bool = False
) -> dict[str, Any]:
    if not isinstance(request.data, dict):
        raise InvalidRequest("Send a JSON object.", code="invalid_json")
    filled = serializer(data=request.data, partial=partial)
    filled.is_valid(raise_exception=True)
    return filled.validated_data

"""Sync runs: what each did or would do, and what can still be decided about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.response import Response

from ragadmin.drf import HasScope, Pages
from retrieval.api.documents import read_uuid
from retrieval.api.sources import SyncView
from retrieval.indexing.run_paths import KINDS
from retrieval.models import SyncRun
from retrieval.services.sync_runs import cancel_run, confirm_run, retry_run, undo_run
from retrieval.sync_selectors import (
    add_first_errors,
    filter_runs,
    find_run,
    run_paths,
    run_progress,
    visible_runs,
)
from retrieval.sync_serializers import (
    PathSerializer,
    StartedSerializer,
    SyncRunDetailSerializer,
    SyncRunSerializer,
)

if TYPE_CHECKING:
    from rest_framework.request import Request

FILTERS = ("source", "status", "trigger")
CHOICES = {"status": SyncRun.Status.values, "trigger": SyncRun.Trigger.values}
# Of each run; the rest is under its paths.
ERRORS_SHOWN, ERRORS_LISTED = 100, 10
PAGES = [OpenApiParameter(name, int) for name in ("page", "page_size")]


class RunView(SyncView):
    def show(self, run_id: UUID, status: int = 200) -> Response:
        run = find_run(run_id, self.caller.access_levels)
        add_first_errors([run], self.caller.access_levels, ERRORS_SHOWN)
        context = {"progress": run_progress(run) if run.status in SyncRun.OPEN else None}
        return Response(SyncRunDetailSerializer(run, context=context).data, status=status)


class RunAction(RunView):
    permission_classes = (HasScope("ingest"),)


class SyncRunList(RunView):
    pagination_class = Pages

    @extend_schema(
        operation_id="sync_runs_list",
        parameters=[
            OpenApiParameter("source", UUID),
            *(OpenApiParameter(name, str, enum=values) for name, values in CHOICES.items()),
            *PAGES,
        ],
        responses=SyncRunSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Newest first."""
        pages = Pages()
        wanted = {name: request.query_params.get(name, "") for name in FILTERS}
        read_uuid("source", wanted["source"])
        runs = filter_runs(visible_runs(self.caller.access_levels), wanted)
        page: Any = pages.paginate_queryset(runs, request, view=self) or []
        add_first_errors(page, self.caller.access_levels, ERRORS_LISTED)
        return pages.get_paginated_response(SyncRunSerializer(page, many=True).data)


class SyncRunDetail(RunView):
    @extend_schema(operation_id="sync_runs_retrieve", responses=SyncRunDetailSerializer)
    def get(self, request: Request, run_id: UUID) -> Response:
        return self.show(run_id)


class SyncRunPaths(RunView):
    pagination_class = Pages

    @extend_schema(
        operation_id="sync_runs_paths",
        parameters=[OpenApiParameter("kind", str, required=True, enum=KINDS), *PAGES],
        responses=PathSerializer(many=True),
    )
    def get(self, request: Request, run_id: UUID) -> Response:
        """The paths behind one of the counts; `note` says why one failed or was skipped."""
        run = find_run(run_id, self.caller.access_levels)
        pages = Pages()
        kind = request.query_params.get("kind", "")
        entries: Any = run_paths(run, kind, self.caller.access_levels)
        page = pages.paginate_queryset(entries, request, view=self)
        return pages.get_paginated_response(PathSerializer(page, many=True).data)


class SyncRunConfirm(RunAction):
    @extend_schema(
        operation_id="sync_runs_confirm", request=None, responses={202: SyncRunDetailSerializer}
    )
    def post(self, request: Request, run_id: UUID) -> Response:
        """Agrees to the deletions that the plan shows. The run goes on, and deletes no others."""
        confirm_run(run_id=run_id, **self.who)
        return self.show(run_id, 202)


class SyncRunCancel(RunAction):
    @extend_schema(
        operation_id="sync_runs_cancel", request=None, responses={202: SyncRunDetailSerializer}
    )
    def post(self, request: Request, run_id: UUID) -> Response:
        """What it has done stays done."""
        cancel_run(run_id=run_id, **self.who)
        return self.show(run_id, 202)


class SyncRunRetry(RunAction):
    @extend_schema(operation_id="sync_runs_retry", request=None, responses={202: StartedSerializer})
    def post(self, request: Request, run_id: UUID) -> Response:
        """A new run over the documents that failed in this one, and only those."""
        run = retry_run(run_id=run_id, **self.who)
        return Response({"sync_run": str(run.pk)}, status=202)


class SyncRunUndo(RunAction):
    @extend_schema(operation_id="sync_runs_undo", request=None, responses=SyncRunDetailSerializer)
    def post(self, request: Request, run_id: UUID) -> Response:
        """Brings back what the source's last run deleted or replaced."""
        undo_run(run_id=run_id, **self.who)
        return self.show(run_id)

"""Evaluations: golden questions asked on the live path, and what changed since the last time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.response import Response

from ragadmin.drf import HasScope, Pages, TenantAPIView
from retrieval.api.sources import read
from retrieval.evaluation.compare import count_kinds
from retrieval.evaluation.configuration import read_changes, say_differences
from retrieval.evaluation.runs import (
    TRIAL,
    baseline_of,
    begin_evaluation,
    cancel_run,
    find_run,
    list_runs,
)
from retrieval.evaluation.tasks import hint_evaluation
from retrieval.evaluation.visible import see_pairs, see_results
from retrieval.golden_serializers import (
    EvaluationDetailSerializer,
    EvaluationSerializer,
    EvaluationStartSerializer,
    StartedEvaluationSerializer,
    started,
)
from tenants.api import actor_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from rest_framework.request import Request

    from retrieval.models import Evaluation


class EvaluationView(TenantAPIView):
    permission_classes = (HasScope("admin"),)

    def show(self, evaluation_id: UUID) -> Response:
        run = find_run(evaluation_id)
        shown = EvaluationSerializer(run).data
        return Response(shown | details(run, self.caller.access_levels))


class EvaluationList(EvaluationView):
    pagination_class = Pages

    @extend_schema(
        operation_id="evaluations_list",
        parameters=[OpenApiParameter(name, int) for name in ("page", "page_size")],
        responses=EvaluationSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Newest first, without their results."""
        pages = Pages()
        page: Any = pages.paginate_queryset(list_runs(), request, view=self) or []
        return pages.get_paginated_response(EvaluationSerializer(page, many=True).data)

    @extend_schema(
        operation_id="evaluations_start",
        request=EvaluationStartSerializer,
        responses={202: StartedEvaluationSerializer},
    )
    def post(self, request: Request) -> Response:
        """Asks all golden questions, with the settings in force or, as a trial, with others. A trial
        is compared with a run of the settings in force, which is made before it if there is none for
        the present documents. 409 while one is under way."""
        changes = read_changes(read(EvaluationStartSerializer, request).get("changes") or {})
        actor = actor_of(request)
        run = begin_evaluation(
            trigger=TRIAL if changes else "api",
            created_by=str(actor),
            actor=actor,
            changes=changes,
        )
        transaction.on_commit(hint_evaluation)
        return Response(started(run.id), status=202)


class EvaluationDetail(EvaluationView):
    @extend_schema(operation_id="evaluations_retrieve", responses=EvaluationDetailSerializer)
    def get(self, request: Request, evaluation_id: UUID) -> Response:
        """What was asked above the caller's access levels is left out, and an answer that drew on a
        document above them is withheld; the summary counts all."""
        return self.show(evaluation_id)


class EvaluationCancel(EvaluationView):
    @extend_schema(
        operation_id="evaluations_cancel", request=None, responses=EvaluationDetailSerializer
    )
    def post(self, request: Request, evaluation_id: UUID) -> Response:
        """What was asked is kept. 409 for one that is over."""
        cancel_run(evaluation_id)
        return self.show(evaluation_id)


def details(run: Evaluation, access_levels: Sequence[str]) -> dict[str, Any]:
    seen = see_results(run, access_levels)
    before = baseline_of(run)
    previous = None
    if before is not None:
        pairs, _ = see_pairs(before, run, access_levels)
        previous = {
            "id": str(before.id),
            "configuration_changes": say_differences(before.configuration, run.configuration),
            "changes": count_kinds(pairs),
            "questions": [pair.as_json() for pair in pairs if pair.is_changed],
        }
    return {"results": seen.results, "hidden_results": seen.hidden, "previous": previous}

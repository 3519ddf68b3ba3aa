"""Golden questions: what answers are measured by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.response import Response

from ragadmin.drf import HasScope, Pages, TenantAPIView
from ragadmin.errors import NotFound
from retrieval.api.sources import read
from retrieval.golden_serializers import GoldenQuestionSerializer, GoldenQuestionWriteSerializer
from retrieval.services.golden import (
    add_golden_question,
    delete_golden_questions,
    update_golden_question,
    visible_questions,
)
from tenants.api import actor_of

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request

    from retrieval.models import GoldenQuestion


class GoldenView(TenantAPIView):
    permission_classes = (HasScope("admin"),)

    def find(self, question_id: UUID) -> GoldenQuestion:
        found = visible_questions(self.caller.access_levels).filter(id=question_id).first()
        if found is None:
            raise NotFound("There is no such golden question, or you may not see it.")
        return found


class GoldenQuestionList(GoldenView):
    pagination_class = Pages

    @extend_schema(
        operation_id="golden_questions_list",
        parameters=[
            OpenApiParameter("q", str),
            *(OpenApiParameter(name, int) for name in ("page", "page_size")),
        ],
        responses=GoldenQuestionSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Newest first: those that are asked as no more than the caller's access levels."""
        found = visible_questions(self.caller.access_levels)
        if wanted := request.query_params.get("q", "").replace("\x00", ""):
            found = found.filter(question__icontains=wanted)
        pages = Pages()
        page: Any = pages.paginate_queryset(found, request, view=self) or []
        return pages.get_paginated_response(GoldenQuestionSerializer(page, many=True).data)

    @extend_schema(
        operation_id="golden_questions_create",
        request=GoldenQuestionWriteSerializer,
        responses={201: GoldenQuestionSerializer},
    )
    def post(self, request: Request) -> Response:
        """409 with `extra.golden_question` if it is there already."""
        levels = list(self.caller.access_levels)
        values: dict[str, Any] = {"access_levels": levels}
        values |= read(GoldenQuestionWriteSerializer, request)
        row = add_golden_question(
            **values, origin="api", created_by=str(actor_of(request)), allowed_levels=levels
        )
        row.refresh_from_db()
        return Response(GoldenQuestionSerializer(row).data, status=201)


class GoldenQuestionDetail(GoldenView):
    @extend_schema(operation_id="golden_questions_retrieve", responses=GoldenQuestionSerializer)
    def get(self, request: Request, question_id: UUID) -> Response:
        return Response(GoldenQuestionSerializer(self.find(question_id)).data)

    @extend_schema(
        operation_id="golden_questions_change",
        request=GoldenQuestionWriteSerializer(partial=True),
        responses=GoldenQuestionSerializer,
    )
    def patch(self, request: Request, question_id: UUID) -> Response:
        """What is left out stays."""
        row = update_golden_question(
            question_id=question_id,
            changes=read(GoldenQuestionWriteSerializer, request, partial=True),
            allowed_levels=self.caller.access_levels,
        )
        return Response(GoldenQuestionSerializer(row).data)

    @extend_schema(operation_id="golden_questions_delete", responses={204: None})
    def delete(self, request: Request, question_id: UUID) -> Response:
        """Evaluations keep what they found."""
        self.find(question_id)
        delete_golden_questions(ids=[question_id], allowed_levels=self.caller.access_levels)
        return Response(status=204)

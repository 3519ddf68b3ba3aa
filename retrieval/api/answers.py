"""Recorded answers and their ratings. Asking itself is a hot route: retrieval.query.http."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import (
    OpenApiParameter,
    extend_schema,
    extend_schema_field,
    inline_serializer,
)
from rest_framework import serializers
from rest_framework.response import Response

from ragadmin.drf import HasScope, TenantAPIView
from ragadmin.errors import InvalidRequest, NotFound
from retrieval.api.feedback import DiagnosedFeedbackSerializer, FeedbackSerializer, rated
from retrieval.corrections import note_seen
from retrieval.models import QueryTrace
from retrieval.services.feedback import rate_answer
from retrieval.trace_filter import TraceFilter
from retrieval.trace_list import MOST_COUNTED, ON_A_PAGE, read_page
from retrieval.trace_view import TraceView, view_trace, view_traces

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet
    from rest_framework.request import Request

    from tenants.config import Caller

FILTERS = tuple(TraceFilter({}).fields)
MOST_ON_A_PAGE, LONGEST_NUMBER = 200, 9


class TraceSerializer(serializers.Serializer[TraceView]):
    """A recorded answer, with the keys of the answer itself and what became of it."""

    id = serializers.UUIDField(source="trace.id")
    status = serializers.CharField(source="trace.status")
    question = serializers.CharField(source="trace.question")
    standalone_question = serializers.CharField(source="searched_for")
    answer = serializers.CharField()
    withheld = serializers.BooleanField()
    citations = serializers.ListField(child=serializers.DictField())
    model = serializers.CharField(source="trace.model")
    tier = serializers.CharField(source="trace.tier")
    route_reason = serializers.CharField(source="trace.route_reason")
    cache = serializers.CharField(source="trace.cache")
    cached_at = serializers.DateTimeField(source="trace.cached_at", allow_null=True)
    cache_similarity = serializers.FloatField(source="trace.cache_similarity", allow_null=True)
    abstained = serializers.BooleanField(source="trace.abstained")
    budget_step = serializers.CharField(source="trace.budget_step")
    degraded = serializers.ListField(child=serializers.CharField(), source="trace.degraded")
    similarity = serializers.SerializerMethodField()
    usage = serializers.SerializerMethodField()
    cost_usd = serializers.DictField(source="trace.cost_usd")
    saved_usd = serializers.FloatField(source="trace.saved_usd", allow_null=True)
    saved_tokens = serializers.IntegerField(source="trace.saved_tokens")
    duration_ms = serializers.FloatField(source="trace.duration_ms", allow_null=True)
    first_token_ms = serializers.FloatField(source="trace.first_token_ms", allow_null=True)
    error = serializers.SerializerMethodField()
    feedback = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField(source="trace.created_at")

    def get_similarity(self, view: TraceView) -> dict[str, float | None]:
        return {"avg": view.trace.similarity_avg, "max": view.trace.similarity_max}

    def get_usage(self, view: TraceView) -> dict[str, int]:
        trace = view.trace
        return {"input_tokens": trace.input_tokens, "output_tokens": trace.output_tokens}

    def get_error(self, view: TraceView) -> dict[str, str] | None:
        trace = view.trace
        if not trace.error_code:
            return None
        return {"code": trace.error_code, "message": trace.error_message}

    @extend_schema_field(DiagnosedFeedbackSerializer(allow_null=True))
    def get_feedback(self, view: TraceView) -> dict[str, Any] | None:
        """The diagnosis is for the scope admin."""
        return self.context["rated"].get(view.trace.pk)


class TraceDetailSerializer(TraceSerializer):
    hits = serializers.ListField(child=serializers.DictField())
    dropped = serializers.ListField(child=serializers.DictField())
    prompt = serializers.ListField(child=serializers.DictField(), allow_null=True)
    prompt_withheld = serializers.BooleanField()
    spans = serializers.ListField(child=serializers.DictField(), source="trace.spans")
    route = serializers.SerializerMethodField()
    asked = serializers.DictField(source="trace.asked")
    calls = serializers.ListField(child=serializers.DictField(), source="trace.calls")
    saved = serializers.SerializerMethodField()
    shadow_verdict = serializers.CharField(source="trace.shadow_verdict")
    conversation_id = serializers.UUIDField(source="trace.conversation_id", allow_null=True)

    def get_route(self, view: TraceView) -> dict[str, Any]:
        return {name: value for name, value in view.trace.route.items() if name != "asked"}

    def get_saved(self, view: TraceView) -> dict[str, float]:
        return {name: float(amount) for name, amount in view.trace.saved.items()}


class AnswerListView(TenantAPIView):
    permission_classes = (HasScope("query", "admin"),)

    @extend_schema(
        operation_id="answers_list",
        parameters=[OpenApiParameter(name, str) for name in (*FILTERS, "before", "after")]
        + [OpenApiParameter("page_size", int)],
        responses=inline_serializer(
            "AnswersPage",
            {
                "count": serializers.IntegerField(allow_null=True),
                "next": serializers.URLField(allow_null=True),
                "previous": serializers.URLField(allow_null=True),
                "results": TraceSerializer(many=True),
            },
        ),
    )
    def get(self, request: Request) -> Response:
        """Newest first, the filters as on the traces page. A key without the scope admin sees the
        answers it asked for itself. `count` is null where there are more than 1,000."""
        found = _filtered(_own(self.caller).defer("prompt"), request, self.caller)
        count = found.values("pk")[: MOST_COUNTED + 1].count()
        page = read_page(found, request.query_params, _page_size(request))
        views = view_traces(page.traces, self.caller.access_levels)
        return Response(
            {
                "count": count if count <= MOST_COUNTED else None,
                "next": _link(request, before=page.older),
                "previous": _link(request, after=page.newer),
                "results": TraceSerializer(
                    views, many=True, context={"rated": rated(views, self.caller)}
                ).data,
            }
        )


def _page_size(request: Request) -> int:
    asked = request.query_params.get("page_size", "")
    is_number = asked.isascii() and asked.isdigit() and len(asked) <= LONGEST_NUMBER
    if asked and not (is_number and 1 <= int(asked) <= MOST_ON_A_PAGE):
        raise InvalidRequest(
            f"page_size is a number from 1 to {MOST_ON_A_PAGE}.", extra={"field": "page_size"}
        )
    return int(asked) if asked else ON_A_PAGE


def _link(request: Request, **cursor: str) -> str | None:
    """To the page beside this one, None where there is none."""
    if not any(cursor.values()):
        return None
    query = request.query_params.copy()
    for name in ("before", "after"):
        query.pop(name, None)
    query.update(cursor)
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")


class AnswerView(TenantAPIView):
    permission_classes = (HasScope("query", "admin"),)

    @extend_schema(operation_id="answers_retrieve", responses=TraceDetailSerializer)
    def get(self, request: Request, answer_id: UUID) -> Response:
        view = view_trace(_find(self.caller, answer_id), self.caller.access_levels)
        context = {"rated": rated([view], self.caller)}
        note_seen(getattr(view.trace, "feedback", None), self.caller.label)
        return Response(TraceDetailSerializer(view, context=context).data)


class FeedbackView(TenantAPIView):
    permission_classes = (HasScope("query", "admin"),)

    @extend_schema(
        operation_id="answers_feedback", request=FeedbackSerializer, responses=FeedbackSerializer
    )
    def post(self, request: Request, answer_id: UUID) -> Response:
        """Rates an answer. Rating again replaces."""
        given = FeedbackSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        trace = _find(self.caller, answer_id)
        values = {"reason": "", "comment": "", **given.validated_data}
        feedback = rate_answer(trace_id=trace.pk, rated_by=self.caller.label, **values)
        return Response(FeedbackSerializer(feedback).data)


def _own(caller: Caller) -> QuerySet[QueryTrace]:
    """What the caller may see: an admin the tenant's answers, others those they asked for."""
    traces = QueryTrace.objects.select_related("feedback").defer("terms")
    if "admin" in caller.scopes:
        return traces
    if caller.user_id is not None:
        return traces.filter(user_id=caller.user_id)
    return traces.filter(api_key_id=caller.api_key_id)


def _find(caller: Caller, answer_id: UUID) -> QueryTrace:
    trace = _own(caller).filter(pk=answer_id).first()
    if trace is None:
        raise NotFound("There is no answer with this id.")
    return trace


def _filtered(
    traces: QuerySet[QueryTrace], request: Request, caller: Caller
) -> QuerySet[QueryTrace]:
    """As on the traces page. Raises InvalidRequest for a value that means nothing."""
    wanted = TraceFilter(
        request.query_params,
        timezone=caller.tenant.timezone,
        sees_everybody="admin" in caller.scopes,
    )
    if not wanted.is_valid():
        raise _refuse(wanted, next(iter(wanted.errors)))
    return wanted.apply(traces)


def _refuse(wanted: TraceFilter, field: str) -> InvalidRequest:
    choices = [str(value) for value, _ in getattr(wanted.fields[field], "choices", []) if value]
    message = (
        f"{field} is one of {', '.join(choices)}." if choices else str(wanted.errors[field][0])
    )
    return InvalidRequest(message, extra={"field": field})

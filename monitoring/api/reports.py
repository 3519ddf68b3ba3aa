"""The daily quality report for programs, as JSON or CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.response import Response
from rest_framework.views import APIView

from monitoring.reports import fleet
from monitoring.reports.days import Day, read_day
from monitoring.reports.figures import figures_began_at, read_report
from monitoring.reports.findings import read_findings
from monitoring.reports.words import csv_rows
from ragadmin.csv_export import BYTE_ORDER_MARK, csv_text
from ragadmin.drf import HasScope
from ragadmin.errors import NotFound, PermissionDenied
from tenants.api import find_tenant
from tenants.config import Caller
from tenants.models import Tenant

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from rest_framework.request import Request


class ReportCsvRenderer(BaseRenderer):
    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """An error stays in the one shape that errors have."""
        if "extra" not in data:
            if renderer_context:
                renderer_context["response"]["Content-Type"] = JSONRenderer.media_type
            return JSONRenderer().render(data)
        return (BYTE_ORDER_MARK + csv_text(csv_rows(data))).encode()


class DailyReportSerializer(serializers.Serializer[Any]):
    """The seven figures, null where nothing was measured, and in `extra` what is behind them."""

    total_queries = serializers.IntegerField()
    cache_hit_rate = serializers.FloatField(allow_null=True, help_text="A share of 1.")
    p50_latency_ms = serializers.FloatField(allow_null=True)
    p99_latency_ms = serializers.FloatField(allow_null=True)
    avg_similarity = serializers.FloatField(allow_null=True)
    thumbs_down_rate = serializers.FloatField(allow_null=True, help_text="Of rated answers.")
    daily_cost = serializers.FloatField(
        allow_null=True, help_text="US dollars, as far as prices are known; null where none is."
    )
    extra = serializers.DictField()


class DailyReportView(APIView):
    permission_classes = (HasScope("admin", "operator"),)
    renderer_classes = (JSONRenderer, ReportCsvRenderer)

    @extend_schema(
        operation_id="reports_daily",
        parameters=[
            OpenApiParameter(
                "date", str, description="A day such as 2026-03-01; yesterday without"
            ),
            OpenApiParameter("tenant", str, description="For operators; the fleet without"),
        ],
        responses=DailyReportSerializer,
    )
    def get(self, request: Request) -> Response:
        """Of a day of the tenant's own time zone, or of the fleet in UTC. `?format=csv` for CSV."""
        tenant, may_read = _whose(request)
        now = timezone.now()
        began_at = figures_began_at(tenant, now)
        day = read_day(request.query_params.get("date", ""), tenant, began_at=began_at, now=now)
        return Response(_figures(day, may_read, now))


def _whose(request: Request) -> tuple[Tenant | None, bool]:
    """Whether the caller may read the tenant's questions too. Raises NotFound, PermissionDenied."""
    caller: Any = request.auth
    wanted = request.query_params.get("tenant", "").replace("\x00", "")
    if isinstance(caller, Caller):
        if wanted and wanted != caller.tenant.slug:
            raise PermissionDenied("This key belongs to another tenant: leave ?tenant= out.")
        tenant = Tenant.objects.filter(pk=caller.tenant.id).first()
        if tenant is None:
            raise NotFound(f"The tenant {caller.tenant.slug} is not there any more.")
        return tenant, "admin" in caller.scopes
    # An operator's key reads numbers of any tenant. Questions are for the tenant's own people.
    return (find_tenant(wanted) if wanted else None), False


def _figures(day: Day, may_read: bool, now: datetime) -> dict[str, Any]:
    figures = read_report(day, now=now).as_json()
    if day.tenant is None:
        figures["extra"] |= fleet.of_tenants(day, now=now)
    elif may_read:
        figures["extra"] |= read_findings(day)
    return figures

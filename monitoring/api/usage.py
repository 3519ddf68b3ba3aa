"""The series behind the charts, for programs."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from monitoring.periods import between, read_period
from monitoring.sums import as_known
from monitoring.usage import FLEET, Scope, read_spending, read_usage, top_tenants
from ragadmin.drf import HasScope
from ragadmin.errors import InvalidRequest, PermissionDenied
from tenants.config import Caller
from tenants.models import Tenant

if TYPE_CHECKING:
    from decimal import Decimal

    from rest_framework.request import Request

    from monitoring.periods import Period
    from monitoring.sums import Sums
    from monitoring.usage import Spent, TenantUsage

BUCKETS = ("hour", "day")
KINDS = ("model", "component", "cache", "tenant")
MOST_TENANTS = 1_000
MOST_HOURLY_DAYS = 31
A_MOMENT = timedelta(microseconds=1)


class UsagePointSerializer(serializers.Serializer[Any]):
    """What happened from `start` until the next one. Which figures there are depends on `by`."""

    start = serializers.DateTimeField()
    key = serializers.CharField(allow_blank=True)


class UsageSerializer(serializers.Serializer[Any]):
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    bucket = serializers.CharField()
    timezone = serializers.CharField()
    by = serializers.CharField(allow_blank=True)
    series = UsagePointSerializer(many=True)


class UsageView(APIView):
    permission_classes = (HasScope("admin", "operator"),)

    @extend_schema(
        operation_id="usage",
        parameters=[
            OpenApiParameter("from", str, description="A date; the last 7 days without"),
            OpenApiParameter("to", str, description="A date, which is in the range itself"),
            OpenApiParameter("bucket", str, enum=BUCKETS),
            OpenApiParameter("by", str, enum=KINDS, description="`tenant` is for operators"),
        ],
        responses=UsageSerializer,
    )
    def get(self, request: Request) -> Response:
        """Sums of each hour or day: of the key's tenant, or of the fleet for an operator."""
        caller: Any = request.auth
        is_tenants = isinstance(caller, Caller)
        zone = caller.tenant.timezone if is_tenants else "UTC"
        period, by = _read(request, zone)
        scope = Scope(caller.tenant.id) if is_tenants else FLEET
        if by == "tenant":
            if is_tenants:
                raise PermissionDenied(
                    "by=tenant is for operators: a tenant's key sees its own figures only.",
                    code="scope_missing",
                )
            series = _tenants(period)
        elif by == "component":
            series = _components(scope, period)
        else:
            series = _usage(scope, period, by)
        return Response(
            {
                "start": period.start.isoformat(),
                "end": period.end.isoformat(),
                "bucket": period.bucket,
                "timezone": period.timezone,
                "by": by,
                "series": series,
            }
        )


def _read(request: Request, zone: str) -> tuple[Period, str]:
    """Raises InvalidRequest."""
    values = request.query_params
    by, bucket = values.get("by", ""), values.get("bucket", "")
    if by and by not in KINDS:
        raise InvalidRequest(f"by is one of {', '.join(KINDS)}.", extra={"field": "by"})
    if bucket and bucket not in BUCKETS:
        raise InvalidRequest(f"bucket is one of {', '.join(BUCKETS)}.", extra={"field": "bucket"})
    period = read_period(dict(values.items()), now=timezone.now(), timezone=zone, default="7d")
    first = period.start.astimezone(period.zone).date()
    last = (period.end - A_MOMENT).astimezone(period.zone).date()
    wanted = bucket or ("hour" if period.bucket == "hour" else "day")
    if wanted == "hour" and (last - first).days >= MOST_HOURLY_DAYS:
        raise InvalidRequest(
            f"By the hour there are at most {MOST_HOURLY_DAYS} days at once.",
            extra={"field": "bucket"},
        )
    if wanted == period.bucket:
        return period, by
    return between(first, last, timezone=zone, bucket=wanted), by


def _usage(scope: Scope, period: Period, by: str) -> list[dict[str, Any]]:
    usage = read_usage(scope, period)
    parts = {"model": usage.by_model, "cache": usage.by_cache}.get(by, lambda: {"": usage})()
    return [
        {"start": start.isoformat(), "key": key, **_figures(sums)}
        for key, part in parts.items()
        for start, sums in part.series()
        if sums.questions or sums.up or sums.down or not by
    ]


def _figures(sums: Sums) -> dict[str, Any]:
    return {
        "questions": sums.questions,
        "errors": sums.errors,
        "cancelled": sums.cancelled,
        "abstained": sums.abstained,
        "simulated": sums.simulated,
        "cache_hits": dict(sums.caches),
        "cost_usd": _usd(sums.cost_usd, sums.unpriced),
        "unpriced": sums.unpriced,
        "saved_usd": str(sums.saved_usd),
        "saved_tokens": sums.saved_tokens,
        "input_tokens": sums.input_tokens,
        "output_tokens": sums.output_tokens,
        "p50_latency_ms": sums.latency.percentile(0.5),
        "p95_latency_ms": sums.latency.percentile(0.95),
        "p99_latency_ms": sums.latency.percentile(0.99),
        "p95_first_token_ms": sums.first_token.percentile(0.95),
        "avg_similarity": sums.avg_similarity,
        "thumbs_up": sums.up,
        "thumbs_down": sums.down,
    }


def _usd(cost_usd: Decimal, unpriced: int) -> str | None:
    known = as_known(cost_usd, unpriced)
    return None if known is None else str(known)


def _components(scope: Scope, period: Period) -> list[dict[str, Any]]:
    return [
        {"start": start.isoformat(), "key": component, **_spent(spent)}
        for start, bar in read_spending(scope, period).series(lambda row: row.component)
        for component, spent in sorted(bar.items())
    ]


def _spent(spent: Spent) -> dict[str, Any]:
    return {
        "calls": spent.calls,
        "input_tokens": spent.input_tokens,
        "output_tokens": spent.output_tokens,
        "cost_usd": _usd(spent.cost_usd, spent.unpriced),
        "unpriced": spent.unpriced,
    }


def _tenants(period: Period) -> list[dict[str, Any]]:
    """Of the whole range. What the installation asks to check itself is nobody's usage."""
    top = top_tenants(period, now=timezone.now(), by="questions", limit=MOST_TENANTS)
    slugs = dict(
        Tenant.objects.filter(pk__in=[each.tenant_id for each in top]).values_list("pk", "slug")
    )
    return [
        {"start": period.start.isoformat(), "key": slugs.get(each.tenant_id, ""), **_of(each)}
        for each in top
        if not slugs.get(each.tenant_id, "").startswith(Tenant.KEPT_PREFIXES)
    ]


def _of(tenant: TenantUsage) -> dict[str, Any]:
    return {
        "questions": tenant.questions,
        "errors": tenant.errors,
        "cost_usd": _usd(tenant.cost_usd, tenant.unpriced),
        "unpriced": tenant.unpriced,
        "cache_hits": tenant.hits,
        "thumbs_up": tenant.up,
        "thumbs_down": tenant.down,
    }

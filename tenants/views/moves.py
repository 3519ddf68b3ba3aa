"""Moving a tenant to another isolation level, from its operator page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.db import connection
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, HttpResponseClientRefresh

from ragadmin.errors import RagadminError
from tenants.access import operator_page
from tenants.context import tenant_context
from tenants.isolation.levels import isolation_of
from tenants.models import Tenant, TenantMove
from tenants.moving.compare import count_rows
from tenants.moving.progress import Stage
from tenants.moving.request import begin_move, cancel_move
from tenants.moving.tables import read_tables
from tenants.tables import tenant_models
from tenants.tasks import hint_move

if TYPE_CHECKING:
    from django.http import HttpResponse

    from tenants.access import OperatorHttpRequest
    from tenants.tables import TenantModel

# What decides between the levels, in a line each; the comparison page has the numbers.
LEVELS = (
    ("schema", "Schema", "tables of its own: the strongest separation"),
    ("partition", "Partition", "pooled tables, its chunks in a partition of their own"),
    ("shared", "Shared", "pooled tables for many small tenants, told apart by row security"),
)
# Where the model's own name is not what people call it.
KINDS = {
    "termfrequency": "Search terms",
    "querytrace": "Questions",
    "feedback": "Ratings",
}


def move_context(tenant: Tenant) -> dict[str, Any]:
    """For templates/tenants/_tenant_move.html."""
    move = TenantMove.objects.filter(tenant=tenant).order_by("-pk").first()
    is_running = move is not None and move.status == TenantMove.Status.RUNNING
    return {
        "tenant": tenant,
        "move": move,
        "move_stage": Stage(move.stage).label if move and move.stage in Stage.values else "",
        "move_is_running": is_running,
        "move_has_leftovers": move is not None and move.stage == Stage.LEFTOVERS,
        "move_choices": [level for level in LEVELS if level[0] != tenant.isolation],
    }


@require_safe
@never_cache
@operator_page
def move_state(request: OperatorHttpRequest, slug: str) -> HttpResponse:
    """Polled while a move is running; when it ends, the whole page has other things to say."""
    context = move_context(_load(slug))
    if request.GET.get("was") == "running" and not context["move_is_running"]:
        return HttpResponseClientRefresh()
    return render(request, "tenants/_tenant_move.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@operator_page
def move(request: OperatorHttpRequest, slug: str) -> HttpResponse:
    """Asks first, with the rows counted; then leaves the work to a worker."""
    tenant = _load(slug)
    to = request.POST.get("to") or request.GET.get("to", "")
    try:
        level = isolation_of(to)
        if request.method == "POST":
            hint_move(begin_move(tenant, to, request.user).pk)
            return redirect("operator-tenant", slug)
        context = {
            "tenant": tenant,
            "level": level,
            "label": Tenant.Isolation(to).label,
            "counts": _count(tenant),
        }
    except RagadminError as error:
        messages.error(request, error.message)
        return _back(request, slug)
    context["total"] = sum(rows for _, rows in context["counts"])
    template = "_tenant_move_dialog" if request.htmx else "tenant_move"
    return render(request, f"tenants/{template}.html", context)


@require_POST
@operator_page
def cancel(request: OperatorHttpRequest, slug: str) -> HttpResponse:
    if cancel_move(_load(slug), request.user):
        messages.success(request, "The move is cancelled: the tenant stays where it is.")
    else:
        messages.info(request, "There is no move to cancel: it is over.")
    return redirect("operator-tenant", slug)


def _count(tenant: Tenant) -> list[tuple[str, int]]:
    names = {model._meta.db_table: _kind_of(model) for model in tenant_models()}  # noqa: SLF001
    with tenant_context(tenant), connection.cursor() as cursor:
        tables = read_tables(cursor, tenant.schema_name)
        counts = count_rows(cursor, tenant.schema_name, tables, tenant.pk)
    return [(names[table], rows) for table, rows in counts.items()]


def _kind_of(model: type[TenantModel]) -> str:
    meta = model._meta  # noqa: SLF001
    return KINDS.get(str(meta.model_name), str(meta.verbose_name_plural).capitalize())


def _load(slug: str) -> Tenant:
    return get_object_or_404(Tenant, slug=slug)


def _back(request: OperatorHttpRequest, slug: str) -> HttpResponse:
    back = redirect("operator-tenant", slug)
    return HttpResponseClientRedirect(back["Location"]) if request.htmx else back

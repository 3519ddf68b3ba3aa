"""The operator's page about the tenant schemas and the database they are in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.paginator import Paginator
from django.shortcuts import render
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from tenants.access import operator_page
from tenants.compiled import migration_names
from tenants.models import Tenant
from tenants.schema_fleet import SORTS, STATES, FleetFilter, summarize_fleet
from tenants.views.operator import read_filter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpResponse

    from tenants.access import OperatorHttpRequest

ON_A_PAGE = 50


class Column(NamedTuple):
    """`css` is the class of the header; without `sort` it cannot be sorted by."""

    label: str
    sort: str = ""
    css: str = ""


COLUMNS = (
    Column("Schema", "schema"),
    Column("State"),
    Column("Level", css="wide-only"),
    Column("Tenants", "tenants", "num"),
    Column("Version", "version", "wide-only"),
    Column("Migrated", "migrated", "wide-only"),
    Column("Tables", css="num wide-only"),
    Column("Size", "size", "num"),
)


@require_safe
@operator_page
def fleet(request: OperatorHttpRequest) -> HttpResponse:
    filters = _read(request)
    context: dict[str, Any] = {
        "page": Paginator(filters, ON_A_PAGE).get_page(request.GET.get("page")),
        "filters": filters,
        "columns": list(_columns(filters)),
        "is_filtered": bool(filters.text or filters.state or filters.level),
    }
    if request.htmx:
        return render(request, "tenants/_operator_fleet.html", context)
    context |= {
        "summary": summarize_fleet(),
        "newest": migration_names()[-1],
        "states": STATES,
        "levels": Tenant.Isolation.values,
    }
    return render(request, "tenants/operator_fleet.html", context)


def _read(request: OperatorHttpRequest) -> FleetFilter:
    """What is not known is as if it were not said."""
    state, level, sort = (read_filter(request, name) for name in ("state", "level", "sort"))
    return FleetFilter(
        text=read_filter(request, "q"),
        state=state if state in STATES else "",
        level=level if level in Tenant.Isolation.values else "",
        sort=sort if sort.removeprefix("-") in SORTS else "",
    )


def _columns(filters: FleetFilter) -> Iterator[dict[str, str]]:
    said = {"q": filters.text, "state": filters.state, "level": filters.level}
    query = {name: value for name, value in said.items() if value}
    for column in COLUMNS:
        is_sorted = bool(column.sort) and filters.column == column.sort
        turned = f"-{column.sort}" if is_sorted and not filters.is_descending else column.sort
        yield {
            "label": column.label,
            "css": column.css,
            "url": "?" + urlencode(query | {"sort": turned}) if column.sort else "",
            "order": ("descending" if filters.is_descending else "ascending") if is_sorted else "",
        }

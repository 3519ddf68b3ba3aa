"""Answers that were rated down: the queue, one of them, and what is done about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db.models import Count
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ragadmin.errors import Conflict, InvalidRequest, PermissionDenied
from retrieval.diagnosis.words import LABELS
from retrieval.models import QueryTrace
from retrieval.review_filters import STATUSES, WAITING, ReviewFilter
from retrieval.review_list import (
    ROWS_OF_ONE,
    as_seen,
    count_groups,
    describe_rows,
    fill_groups,
    listed,
)
from retrieval.services.review import (
    diagnose_again,
    find_thumbs_down,
    make_golden,
    resolve,
    start_again,
    tell_raters,
    thumbs_down,
)
from retrieval.trace_view import view_traces
from retrieval.views.fragments import read_ids, render_page_or_part
from tenants.access import TenantHttpRequest, tenant_page

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from django.db.models import QuerySet
    from django.http import HttpResponse

    from retrieval.models import Feedback
    from retrieval.review_list import Group, ReviewRow

GROUPS_ON_A_PAGE = 10
DONE = {"fixed": "Marked as fixed", "dismissed": "Dismissed", "open": "Opened again"}
# Where to go to do what the diagnosis proposes: a label, and the name of a page.
FIX_PAGES = {
    "not_in_corpus": ("Upload a document", "documents"),
    "not_permitted": ("Members", "members"),
    "not_retrieved": ("Search settings", "settings-search"),
    "ranked_out": ("Search settings", "settings-search"),
    "compressed_away": ("Search settings", "settings-search"),
    "ignored": ("Models", "settings-models"),
}


@require_safe
@tenant_page(role="admin")
def list_feedback(request: TenantHttpRequest, slug: str) -> HttpResponse:
    return _render_list(request)


@require_http_methods(["GET", "POST"])
@tenant_page(role="admin")
def change_many(request: TenantHttpRequest, slug: str) -> HttpResponse:
    """Those that were ticked, or the ones that an undo names; back in the list, with the way back."""
    if request.method == "GET":  # a link of the list that was the answer to a form
        return redirect(_address(request))
    wanted = request.POST.get("status", "")
    try:
        if was := request.POST.getlist("was"):
            _undo(was, by=request.user.email)
            return _render_list(request)
        changed = resolve(read_ids(request.POST.getlist("id")), wanted, by=request.user.email)
    except InvalidRequest as error:
        return _render_list(request, {"problem": error.message})
    if not changed:
        return _render_list(request, {"problem": "Nothing is selected: tick the answers first."})
    tell_raters(changed)
    return _render_list(request, {"undo": changed, "done": DONE[wanted]})


def _undo(was: Sequence[str], *, by: str) -> None:
    """Each "id:status" as it was. Raises InvalidRequest."""
    before = [each.rpartition(":") for each in was]
    for status in sorted({status for _, _, status in before}):
        resolve(read_ids(each for each, _, its in before if its == status), status, by=by)


def _render_list(request: TenantHttpRequest, more: dict[str, Any] | None = None) -> HttpResponse:
    filters, seen = ReviewFilter(request.GET), as_seen(thumbs_down(), request.access_levels)
    found = filters.apply(seen)
    groups = count_groups(found)
    chosen = filters.value("document")
    wanted = [group for group in groups if group.key == chosen] if chosen else groups
    page, shown = _page(request, found, wanted, is_one=bool(chosen))
    context = {
        "filters": filters,
        "page": page,
        "groups": shown,
        "count": sum(group.count for group in wanted),
        "chosen": shown[0] if chosen and shown else None,
        # With the list, so that what was chosen there is still so when the form is sent.
        "kept": [(name, filters.value(name)) for name in ("status", "diagnosis", "document")],
        "tabs": _tabs(request, filters, seen),
        "diagnoses": _diagnosis_chips(request, filters, seen),
        "is_unused": not thumbs_down().exists(),
        "is_waiting": any(row.is_waiting for group in shown for row in group.rows),
        "query": request.GET.urlencode(),
        **(more or {}),
    }
    return render_page_or_part(
        request,
        "retrieval/review.html",
        part="retrieval/_review.html",
        target="review",
        context=context,
    )


def _page(
    request: TenantHttpRequest, found: QuerySet[Feedback], groups: list[Group], *, is_one: bool
) -> tuple[Page, list[Group]]:
    """So many groups with the newest rows of each; of one group alone, so many of its rows."""
    number, levels = request.GET.get("page"), request.access_levels
    if not is_one or not groups:
        page = Paginator(groups, GROUPS_ON_A_PAGE).get_page(number)
        fill_groups(found, list(page), levels)
        return page, list(page)
    (group,) = groups
    page = Paginator(listed(found.filter(key=group.key)), ROWS_OF_ONE).get_page(number)
    group.rows = describe_rows(page.object_list, levels)
    for row in group.rows:
        group.title = row.document.path if group.is_document and row.document else group.title
    return page, groups


def _tabs(
    request: TenantHttpRequest, filters: ReviewFilter, seen: QuerySet[Feedback]
) -> list[dict[str, Any]]:
    rows = filters.apply(seen, but="status").values_list("status")
    counts = dict(rows.annotate(n=Count("trace_id")).order_by())
    counts |= {"": counts.get("open", 0), "all": sum(counts.values())}
    now = filters.value("status")
    return [
        {
            "label": label,
            "count": counts.get(status, 0),
            "is_current": status == now,
            "url": _address(request, status=status),
        }
        for status, label in STATUSES.items()
    ]


def _diagnosis_chips(
    request: TenantHttpRequest, filters: ReviewFilter, seen: QuerySet[Feedback]
) -> list[dict[str, Any]]:
    rows = filters.apply(seen, but="diagnosis").values_list("seen_as")
    counts = dict(rows.annotate(n=Count("trace_id")).order_by())
    now = filters.value("diagnosis")
    labels = {**LABELS, "": "Not diagnosed yet"}
    return [
        {
            "label": label,
            "count": counts.get(name, 0),
            "is_current": (name or WAITING) == now,
            "url": _address(request, diagnosis="" if (name or WAITING) == now else name or WAITING),
        }
        for name, label in labels.items()
        if counts.get(name) or (name or WAITING) == now
    ]


def _address(request: TenantHttpRequest, **changes: str) -> str:
    """The list with other filters, from its first page."""
    query = request.GET.copy()
    for name in ("page", "document"):
        query.pop(name, None)
    for name, value in changes.items():
        query[name] = value
        if not value:
            del query[name]
    address = reverse("feedback", args=[request.tenant.slug])
    return f"{address}?{query.urlencode()}" if query else address


@require_safe
@tenant_page(role="admin")
def show_feedback(request: TenantHttpRequest, slug: str, trace_id: UUID) -> HttpResponse:
    feedback = find_thumbs_down(trace_id)
    (row,) = describe_rows([feedback], request.access_levels)
    old, new = _old_and_new(row, request.access_levels)
    label, page = FIX_PAGES.get(row.diagnosis, ("", ""))
    context = {
        "row": row,
        "feedback": feedback,
        "trace": feedback.trace,
        "old": old,
        "new": new,
        "fix_label": label,
        "fix_url": reverse(page, args=[slug]) if page else "",
    }
    return render_page_or_part(
        request,
        "retrieval/review_item.html",
        part="retrieval/_review_item.html",
        target="review-item",
        context=context,
    )


def _old_and_new(row: ReviewRow, levels: Sequence[str]) -> tuple[Any, Any]:
    new = QueryTrace.objects.filter(pk=row.feedback.new_trace_id).first()
    views = view_traces([each for each in (row.trace, new) if each], levels)
    return views[0], views[1] if new else None


@require_POST
@tenant_page(role="admin")
def set_status(request: TenantHttpRequest, slug: str, trace_id: UUID) -> HttpResponse:
    find_thumbs_down(trace_id)
    status = request.POST.get("status", "")
    try:
        resolve([trace_id], status, by=request.user.email)
    except InvalidRequest as error:
        messages.error(request, error.message)
    else:
        asked = tell_raters([trace_id])
        messages.success(request, f"{DONE[status]}{', and asked again' if asked else ''}.")
    return redirect("feedback-item", slug, trace_id)


@require_POST
@tenant_page(role="admin")
def add_golden(request: TenantHttpRequest, slug: str, trace_id: UUID) -> HttpResponse:
    try:
        make_golden(trace_id, by=request.user.email, allowed_levels=request.access_levels)
    except (Conflict, InvalidRequest, PermissionDenied) as error:
        messages.error(request, error.message)
    else:
        messages.success(request, "It is a golden question now: each evaluation asks it.")
    return redirect("feedback-item", slug, trace_id)


@require_POST
@tenant_page(role="admin")
def ask_anew(request: TenantHttpRequest, slug: str, trace_id: UUID) -> HttpResponse:
    try:
        start_again(trace_id)
    except Conflict as error:
        messages.info(request, error.message)
    return redirect("feedback-item", slug, trace_id)


@require_POST
@tenant_page(role="admin")
def diagnose_anew(request: TenantHttpRequest, slug: str, trace_id: UUID) -> HttpResponse:
    diagnose_again(trace_id)
    return redirect("feedback-item", slug, trace_id)

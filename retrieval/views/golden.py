"""Golden questions: the list, adding and editing one, deleting some, CSV in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.core.paginator import Paginator
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ragadmin.csv_export import csv_response
from ragadmin.errors import InvalidRequest, NotFound, RagadminError
from ragadmin.forms import add_error
from retrieval.evaluation.runs import last_verdicts
from retrieval.golden_forms import GoldenFilter, GoldenQuestionForm, ImportForm
from retrieval.models import GoldenQuestion
from retrieval.services.golden import (
    CHANGEABLE,
    add_golden_question,
    delete_golden_questions,
    known_paths,
    update_golden_question,
    visible_questions,
)
from retrieval.services.golden_csv import COLUMNS, Imported, export_rows, import_questions
from retrieval.views.fragments import render_page_or_part
from retrieval.views.playground import read_uuid
from tenants.access import TenantHttpRequest, tenant_page

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpResponse
    from django.http.response import HttpResponseBase

ON_A_PAGE = 50
LIST = "golden-questions"


@require_safe
@tenant_page("admin")
def list_questions(request: TenantHttpRequest, slug: str) -> HttpResponse:
    filters, visible = GoldenFilter(request.GET), visible_questions(request.access_levels)
    verdicts = last_verdicts()
    wrong = [key for key, is_right in verdicts.items() if is_right is False]
    page = Paginator(filters.apply(visible, wrong), ON_A_PAGE).get_page(request.GET.get("page"))
    total = visible.count()
    context = {
        "filters": filters,
        "page": page,
        "rows": [(row, verdicts.get(str(row.id))) for row in page],
        "total": total,
        "hidden": GoldenQuestion.objects.count() - total,
        "known_paths": known_paths(
            (path for row in page for path in row.expected_paths), request.access_levels
        ),
    }
    return render_page_or_part(
        request,
        "retrieval/golden_questions.html",
        part="retrieval/_golden_questions.html",
        target="golden",
        context=context,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_page("admin")
def add(request: TenantHttpRequest, slug: str) -> HttpResponse:
    form = GoldenQuestionForm(
        request.POST or None, levels=_levels(request), initial={"question": request.GET.get("q")}
    )
    if request.method == "POST" and form.is_valid() and _add(request, form):
        messages.success(request, "Added. It is asked with the next evaluation.")
        return redirect(LIST, slug)
    return render(request, "retrieval/golden_question.html", {"form": form, "row": None})


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_page("admin")
def edit(request: TenantHttpRequest, slug: str, question_id: UUID) -> HttpResponse:
    row = _find(request, question_id)
    initial = {name: getattr(row, name) for name in CHANGEABLE}
    form = GoldenQuestionForm(request.POST or None, levels=_levels(request), initial=initial)
    if request.method == "POST" and form.is_valid() and _update(request, row, form):
        messages.success(request, "Saved.")
        return redirect(LIST, slug)
    return render(request, "retrieval/golden_question.html", {"form": form, "row": row})


@require_POST
@tenant_page("admin")
def delete(request: TenantHttpRequest, slug: str) -> HttpResponse:
    """Asks first, with how many; deletes what was agreed to."""
    ids = [found for value in request.POST.getlist("id") if (found := read_uuid(value))]
    rows = list(visible_questions(request.access_levels).filter(id__in=ids))
    if not rows:
        messages.info(request, "Choose the questions that are to be deleted.")
        return redirect(LIST, slug)
    if "agreed" not in request.POST:
        return render(request, "retrieval/golden_delete.html", {"rows": rows})
    deleted = delete_golden_questions(ids=ids, allowed_levels=request.access_levels)
    messages.success(request, f"{deleted} golden question{'' if deleted == 1 else 's'} deleted.")
    return redirect(LIST, slug)


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_page("admin")
def import_csv(request: TenantHttpRequest, slug: str) -> HttpResponse:
    form = ImportForm(request.POST or None, request.FILES or None)
    done: Imported | None = None
    if request.method == "POST" and form.is_valid():
        done = _import(request, form)
        if done is not None and not done.errors:
            messages.success(request, f"{done.added} added, {done.updated} updated.")
            return redirect(LIST, slug)
    context = {"form": form, "done": done, "columns": COLUMNS}
    return render(request, "retrieval/golden_import.html", context)


@require_safe
@tenant_page("admin")
def export_csv(request: TenantHttpRequest, slug: str) -> HttpResponseBase:
    # Read while the tenant is in force: a thousand rows at most.
    rows = list(export_rows(request.access_levels))
    return csv_response(request, f"golden-questions-{slug}.csv", rows)


def _find(request: TenantHttpRequest, question_id: UUID) -> GoldenQuestion:
    row = visible_questions(request.access_levels).filter(id=question_id).first()
    if row is None:
        raise NotFound("There is no such golden question, or you may not see it.")
    return row


def _levels(request: TenantHttpRequest) -> list[str]:
    return [level for level in request.tenant.access_levels if level in request.access_levels]


def _add(request: TenantHttpRequest, form: GoldenQuestionForm) -> bool:
    try:
        add_golden_question(
            **form.cleaned_data,
            created_by=str(request.user),
            allowed_levels=request.access_levels,
        )
    except RagadminError as error:
        add_error(form, error)
        return False
    return True


def _update(request: TenantHttpRequest, row: GoldenQuestion, form: GoldenQuestionForm) -> bool:
    try:
        update_golden_question(
            question_id=row.id,
            changes=form.cleaned_data,
            allowed_levels=request.access_levels,
        )
    except RagadminError as error:
        add_error(form, error)
        return False
    return True


def _import(request: TenantHttpRequest, form: ImportForm) -> Imported | None:
    try:
        return import_questions(
            form.cleaned_data["file"].read(),
            created_by=str(request.user),
            allowed_levels=request.access_levels,
        )
    except InvalidRequest as error:
        form.add_error("file", error.message)
        return None

"""The end of a tenant, its export, and the import of another: pages of the operator."""

from __future__ import annotations

import posixpath
import uuid
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.files.storage import default_storage
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from ragadmin.downloads import attachment
from ragadmin.errors import RagadminError
from ragadmin.forms import add_error
from tenants import tasks
from tenants.access import operator_page
from tenants.archive import jobs
from tenants.models import Tenant
from tenants.operator_forms import DeleteTenantForm, ImportTenantForm
from tenants.removal import count_everything, remove_tenant

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpResponse
    from django.http.response import HttpResponseBase

    from tenants.access import OperatorHttpRequest


def archive_context(tenant: Tenant) -> dict[str, Any]:
    """For templates/tenants/_tenant_archive.html."""
    key = jobs.find_export(tenant)
    return {
        "tenant": tenant,
        "export": jobs.read_state(jobs.export_key(tenant)),
        "export_name": posixpath.basename(key),
        "export_bytes": default_storage.size(key) if key else 0,
    }


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@operator_page
def delete(request: OperatorHttpRequest, slug: str) -> HttpResponse:
    """Counts first; then the slug must be typed."""
    tenant = get_object_or_404(Tenant, slug=slug)
    is_sent = request.method == "POST"
    form = DeleteTenantForm(request.POST if is_sent else None, slug=slug)
    if is_sent and form.is_valid():
        try:
            report = remove_tenant(tenant=tenant, actor=request.user)
        except RagadminError as error:
            add_error(form, error)
        else:
            counts = [(kind, n, report.after[kind]) for kind, n in report.before.items()]
            context = {"report": report, "counts": counts}
            return render(request, "tenants/operator_tenant_deleted.html", context)
    counts = count_everything(tenant)
    context = {"tenant": tenant, "form": form, "counts": counts.items()}
    return render(request, "tenants/operator_tenant_delete.html", context)


@require_POST
@operator_page
def export(request: OperatorHttpRequest, slug: str) -> HttpResponse:
    tenant = get_object_or_404(Tenant, slug=slug)
    send = tasks.export_to_storage.apply_async  # pyright: ignore[reportFunctionMemberAccess]
    try:
        jobs.begin(
            jobs.export_key(tenant), lambda: send([tenant.pk, request.user.email], retry=False)
        )
    except RagadminError as error:
        messages.error(request, error.message)
    return redirect("operator-tenant", slug)


@require_safe
@never_cache
@operator_page
def export_state(request: OperatorHttpRequest, slug: str) -> HttpResponse:
    """Polled while an export is running."""
    tenant = get_object_or_404(Tenant, slug=slug)
    return render(request, "tenants/_tenant_archive.html", archive_context(tenant))


@require_safe
@never_cache
@operator_page
def download_export(request: OperatorHttpRequest, slug: str) -> HttpResponseBase:
    key = jobs.find_export(get_object_or_404(Tenant, slug=slug))
    if not key:
        raise Http404("There is no export.")
    return attachment(request, default_storage.open(key), posixpath.basename(key))


@require_http_methods(["GET", "HEAD", "POST"])
@operator_page
def import_(request: OperatorHttpRequest) -> HttpResponse:
    is_sent = request.method == "POST"
    form = ImportTenantForm(request.POST, request.FILES) if is_sent else ImportTenantForm()
    if is_sent and form.is_valid():
        number, data = uuid.uuid4(), form.cleaned_data
        upload = jobs.keep_upload(data["archive"])
        arguments = [str(number), upload, data["slug"], data["isolation"], request.user.email]
        send = tasks.import_from_storage.apply_async  # pyright: ignore[reportFunctionMemberAccess]
        try:
            jobs.begin(jobs.import_key(number), lambda: send(arguments, retry=False))
        except RagadminError as error:
            default_storage.delete(upload)
            add_error(form, error)
        else:
            return redirect("operator-import", number)
    return render(request, "tenants/operator_import.html", {"form": form})


@require_safe
@never_cache
@operator_page
def import_state(request: OperatorHttpRequest, number: UUID) -> HttpResponse:
    """Polls itself while the import is running; goes to the tenant when it is there."""
    job = jobs.read_state(jobs.import_key(number))
    if job is None:
        raise Http404("There is no such import, or it is long past.")
    if job.status == "succeeded":
        messages.success(request, f"{job.result} was imported. {job.message}".strip())
        return _go(request, job.result)
    template = "_operator_import" if request.htmx else "operator_import_state"
    return render(request, f"tenants/{template}.html", {"job": job, "number": number})


def _go(request: OperatorHttpRequest, slug: str) -> HttpResponse:
    response = redirect("operator-tenant", slug)
    return HttpResponseClientRedirect(response["Location"]) if request.htmx else response

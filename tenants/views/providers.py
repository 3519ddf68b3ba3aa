"""The operator's pages about model endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ragadmin.errors import RagadminError
from ragadmin.forms import add_error
from tenants.access import operator_page
from tenants.config_rows import environment_endpoint
from tenants.models import Provider
from tenants.operator_forms import ProviderForm
from tenants.providers import (
    delete_provider,
    endpoint_of,
    list_providers,
    make_default,
    save_provider,
    try_endpoint,
)

if TYPE_CHECKING:
    from django.http import HttpResponse

    from tenants.access import OperatorHttpRequest
    from tenants.config import ModelEndpoint


@require_safe
@operator_page
def models(request: OperatorHttpRequest) -> HttpResponse:
    providers = list(list_providers())
    context = {
        "providers": providers,
        "default": next((row for row in providers if row.is_default), None),
        "environment": environment_endpoint(),
        "embedding_model": settings.EMBEDDING_MODEL,
    }
    return render(request, "tenants/operator_models.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@operator_page
def edit_model(request: OperatorHttpRequest, pk: int | None = None) -> HttpResponse:
    """Adds an endpoint when there is no `pk`."""
    provider = get_object_or_404(Provider, pk=pk) if pk else None
    form = ProviderForm(request.POST or None, provider=provider)
    if request.method == "POST" and form.is_valid():
        try:
            saved = save_provider(
                form.endpoint(),
                actor=request.user,
                provider=provider,
                forget_key=form.cleaned_data.get("forget_key", False),
            )
        except RagadminError as error:
            add_error(form, error)
        else:
            messages.success(request, f"{saved.name} is saved. Test it to see that it answers.")
            return redirect("operator-models")
    context = {"form": form, "provider": provider}
    return render(request, "tenants/operator_model.html", context)


@require_POST
@operator_page
def make_model_default(request: OperatorHttpRequest, pk: int) -> HttpResponse:
    provider = get_object_or_404(Provider, pk=pk)
    make_default(provider, actor=request.user)
    messages.success(request, f"{provider.name} answers for every tenant without its own choice.")
    return redirect("operator-models")


@require_POST
@operator_page
def delete_model(request: OperatorHttpRequest, pk: int) -> HttpResponse:
    provider = get_object_or_404(Provider, pk=pk)
    delete_provider(provider, actor=request.user)
    messages.success(request, f"{provider.name} is deleted, with its stored key.")
    return redirect("operator-models")


@require_POST
@operator_page
def test_model(request: OperatorHttpRequest, pk: int) -> HttpResponse:
    return _test(request, endpoint_of(get_object_or_404(Provider, pk=pk)))


@require_POST
@operator_page
def test_environment(request: OperatorHttpRequest) -> HttpResponse:
    endpoint = environment_endpoint()
    if endpoint is None:
        raise Http404("No model is configured in the environment.")
    return _test(request, endpoint)


def _test(request: OperatorHttpRequest, endpoint: ModelEndpoint) -> HttpResponse:
    """A page of its own without htmx, a line under the endpoint with it."""
    context: dict[str, object] = {"endpoint": endpoint}
    try:
        context["result"] = try_endpoint(endpoint)
    except RagadminError as error:
        context["error"] = error.message
    template = "_model_test" if request.htmx else "operator_model_test"
    return render(request, f"tenants/{template}.html", context)

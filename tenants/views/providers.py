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
from tenants.provider_usage import describe_models, usage_of
from tenants.providers import (
    delete_provider,
    endpoint_of,
    list_providers,
    make_default,
    save_provider,
    try_endpoint,
    unsaved_endpoint,
)

if TYPE_CHECKING:
    from django.http import HttpResponse

    from tenants.access import OperatorHttpRequest
    from tenants.config import ModelEndpoint

# Those in use come first, and a field finds the others by what is typed.
MOST_MODELS = 500


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
    """Adds an endpoint when there is no `pk`. POST with `test` asks what was entered, and saves nothing."""
    provider = get_object_or_404(Provider, pk=pk) if pk else None
    form = ProviderForm(request.POST or None, provider=provider)
    if "test" in request.POST:
        return _test_unsaved(request, form, provider)
    if request.method == "POST" and form.is_valid() and (saved := _save(request, form, provider)):
        messages.success(request, f"{saved.name} is saved. Test it to see that it answers.")
        return redirect("operator-models")
    context = {"form": form, "provider": provider, "usage": provider and usage_of(provider)}
    return render(request, "tenants/operator_model.html", context)


def _save(
    request: OperatorHttpRequest, form: ProviderForm, provider: Provider | None
) -> Provider | None:
    try:
        return save_provider(
            form.endpoint(),
            actor=request.user,
            provider=provider,
            forget_key=form.cleaned_data.get("forget_key", False),
        )
    except RagadminError as error:
        add_error(form, error)
        return None


def _test_unsaved(
    request: OperatorHttpRequest, form: ProviderForm, provider: Provider | None
) -> HttpResponse:
    """Beside the form with htmx, so that a key that was typed stays; with the form without it."""
    context: dict[str, object] = {"form": form, "provider": provider}
    try:
        endpoint = unsaved_endpoint(form.entered(), provider)
        context |= _ask(endpoint, provider)
    except RagadminError as error:
        context["error"] = error.message
    if request.htmx:
        return render(request, "tenants/_model_test.html", context)
    context["usage"] = provider and usage_of(provider)
    return render(request, "tenants/operator_model.html", context)


@require_POST
@operator_page
def make_model_default(request: OperatorHttpRequest, pk: int) -> HttpResponse:
    provider = get_object_or_404(Provider, pk=pk)
    make_default(provider, actor=request.user)
    messages.success(request, f"{provider.name} answers for every tenant without its own choice.")
    return redirect("operator-models")


@require_http_methods(["GET", "HEAD", "POST"])
@operator_page
def delete_model(request: OperatorHttpRequest, pk: int) -> HttpResponse:
    """Says first who depends on it."""
    provider = get_object_or_404(Provider, pk=pk)
    if request.method != "POST":
        context = {"provider": provider, "usage": usage_of(provider)}
        return render(request, "tenants/operator_model_delete.html", context)
    delete_provider(provider, actor=request.user)
    messages.success(request, f"{provider.name} is deleted, with its stored key and its routes.")
    return redirect("operator-models")


@require_POST
@operator_page
def test_model(request: OperatorHttpRequest, pk: int) -> HttpResponse:
    provider = get_object_or_404(Provider, pk=pk)
    return _test(request, endpoint_of(provider), provider)


@require_POST
@operator_page
def test_environment(request: OperatorHttpRequest) -> HttpResponse:
    endpoint = environment_endpoint()
    if endpoint is None:
        raise Http404("No model is configured in the environment.")
    return _test(request, endpoint, None)


def _test(
    request: OperatorHttpRequest, endpoint: ModelEndpoint, provider: Provider | None
) -> HttpResponse:
    """A page of its own without htmx, what was found under the endpoint with it."""
    context: dict[str, object] = {"endpoint": endpoint}
    try:
        context |= _ask(endpoint, provider)
    except RagadminError as error:
        context["error"] = error.message
    template = "_model_test" if request.htmx else "operator_model_test"
    return render(request, f"tenants/{template}.html", context)


def _ask(endpoint: ModelEndpoint, provider: Provider | None) -> dict[str, object]:
    """Raises ProviderError."""
    result = try_endpoint(endpoint)
    models = describe_models(result.models, endpoint, provider)
    return {
        "endpoint": endpoint,
        "result": result,
        "models": models[:MOST_MODELS],
        "model_count": len(models),
    }

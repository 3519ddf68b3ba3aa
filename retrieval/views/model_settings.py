"""Which models answer a tenant's questions: the endpoint, the routes, the classification, the prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from ragadmin.errors import RagadminError
from ragadmin.forms import add_error
from retrieval.route_form import RouteForm, change_routes
from retrieval.route_view import TIERS, known_models, preview_prompt, view_tiers
from tenants.access import TenantHttpRequest, tenant_config, tenant_page
from tenants.configure import update_tenant
from tenants.query_forms import MODELS, QuerySettingsForm
from tenants.tenant_forms import EndpointForm
from tenants.views.answers import go_to
from tenants.views.query_settings import edit_query_settings, say_saved

if TYPE_CHECKING:
    from django.http import HttpResponse

PAGE = "settings-models"
TEMPLATE = "retrieval/settings_models.html"


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_page("admin")
def model_settings(request: TenantHttpRequest, slug: str) -> HttpResponse:
    return edit_query_settings(
        request, page=PAGE, template=TEMPLATE, groups=MODELS, context=_shown(request)
    )


@require_POST
@tenant_page("admin")
def choose_endpoint(request: TenantHttpRequest, slug: str) -> HttpResponse:
    form = EndpointForm(request.POST)
    if not form.is_valid():
        return _page(request, endpoint_form=form)
    before, wanted = request.tenant.provider, form.cleaned_data["provider"]
    update_tenant(tenant=request.tenant, actor=request.user, provider=wanted)
    names = [str(each or "the installation's default") for each in (before, wanted)]
    say_saved(request, [f"Endpoint: {' → '.join(names)}"] if before != wanted else [])
    return go_to(request, PAGE, slug)


@require_POST
@tenant_page("admin")
def edit_routes(request: TenantHttpRequest, slug: str) -> HttpResponse:
    """Answers htmx with the lists alone, so that what was typed elsewhere on the page stays."""
    tier = request.POST.get("tier", "")
    form, said, level = RouteForm(request.POST, auto_id=f"id_{tier}_%s"), "", "success"
    if form.is_valid():
        try:
            said = change_routes(request.tenant, form, request.user)
        except RagadminError as error:
            if error.extra.get("field") in form.fields:
                add_error(form, error)
            else:
                said, level = error.message, "error"
    wrong = form if form.errors else None
    if request.htmx:
        response = render(request, "retrieval/_routes.html", _routes(request, wrong))
        toast = {"message": said, "level": level}
        return trigger_client_event(response, "toast", toast) if said else response
    if wrong:
        return _page(request, route_form=wrong)
    messages.add_message(request, messages.SUCCESS if level == "success" else messages.ERROR, said)
    return go_to(request, PAGE, slug)


def _page(request: TenantHttpRequest, **forms: Any) -> HttpResponse:
    form = QuerySettingsForm(config=tenant_config(request.tenant), groups=MODELS)
    own = {"form": form, "action": reverse(PAGE, args=[request.tenant.slug])}
    return render(request, TEMPLATE, own | _shown(request, **forms))


def _shown(
    request: TenantHttpRequest,
    endpoint_form: EndpointForm | None = None,
    route_form: RouteForm | None = None,
) -> dict[str, Any]:
    config = tenant_config(request.tenant)
    return {
        "section": "models",
        "endpoint_form": endpoint_form or EndpointForm.of(request.tenant),
        "prompt": preview_prompt(request.POST.get("instructions", config.query.instructions)),
        **_routes(request, route_form),
    }


def _routes(request: TenantHttpRequest, wrong: RouteForm | None) -> dict[str, Any]:
    """Each tier with a form to add to it: `wrong` is shown again, in its tier, with what was typed."""
    config = tenant_config(request.tenant)
    tier_of_wrong = wrong.data.get("tier", "") if wrong else ""
    tiers = view_tiers(request.tenant, config)
    return {
        "tiers": [
            (tier, wrong if wrong and tier.tier == tier_of_wrong else _empty_form(tier.tier))
            for tier in tiers
        ],
        "has_budget": bool(config.budgets),
        "endpoint": config.endpoint,
        "models": known_models(config),
        "route_error": "" if tier_of_wrong in TIERS else _first_error(wrong),
    }


def _empty_form(tier: str) -> RouteForm:
    return RouteForm(initial={"tier": tier}, auto_id=f"id_{tier}_%s")


def _first_error(form: RouteForm | None) -> str:
    return next((str(errors[0]) for errors in form.errors.values()), "") if form else ""

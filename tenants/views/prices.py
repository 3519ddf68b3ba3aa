"""The operator's page of prices: what is set here, and what makers have published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from ragadmin.errors import RagadminError
from ragadmin.forms import add_error
from tenants.access import operator_page
from tenants.models import ModelPrice, Tenant
from tenants.operator_forms import PriceForm
from tenants.price_selectors import SERVICES, find_prices, models_in_use, models_without_price
from tenants.prices import remove_price, set_price
from tenants.published_prices import list_words, published_price, search_published
from tenants.views.operator import read_filter

if TYPE_CHECKING:
    from django.http import HttpResponse

    from tenants.access import OperatorHttpRequest

ON_A_PAGE = 50
PREFILLED = ("model", "tenant", "unit", "input_usd", "output_usd")


@require_http_methods(["GET", "HEAD", "POST"])
@operator_page
def prices(request: OperatorHttpRequest) -> HttpResponse:
    """The form is filled from the address, so that each figure on the page can be taken over."""
    if request.htmx.target == "published":
        return render(request, "tenants/_published_prices.html", _published(request))
    if request.method == "POST":
        form = PriceForm(request.POST)
        if form.is_valid() and _save(request, form):
            return HttpResponseRedirect(reverse("operator-prices"))
    else:
        given = {name: read_filter(request, name) for name in PREFILLED if name in request.GET}
        form = PriceForm(initial=given)
    text = read_filter(request, "filter")
    page = Paginator(find_prices(text), ON_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "form": form,
        "page": page,
        "rows": [(row, published_price(row.model), _as_query(row)) for row in page],
        "text": text,
        "known_models": [*models_in_use(), *SERVICES],
        "missing": models_without_price(),
        "tenants": Tenant.objects.customers().order_by("slug").values_list("slug", flat=True)[:500],
        **_published(request),
    }
    return render(request, "tenants/operator_prices.html", context)


def _as_query(row: ModelPrice) -> str:
    """What fills the form with this price."""
    return urlencode(
        {
            "model": row.model,
            "tenant": row.tenant.slug if row.tenant else "",
            "unit": row.unit,
            "input_usd": f"{row.input_usd.normalize():f}",
            "output_usd": f"{row.output_usd.normalize():f}",
        }
    )


def _save(request: OperatorHttpRequest, form: PriceForm) -> bool:
    try:
        row = set_price(actor=request.user, **form.cleaned_data)
    except RagadminError as error:
        add_error(form, error)
        return False
    whose = f"for {row.tenant.name}" if row.tenant else "for all tenants"
    messages.success(
        request,
        f"{row.model} costs ${row.input_usd.normalize():f} and ${row.output_usd.normalize():f} "
        f"{whose} now. It takes effect within two seconds; earlier answers keep their cost.",
    )
    return True


@require_POST
@operator_page
def remove(request: OperatorHttpRequest) -> HttpResponse:
    number = request.POST.get("price", "")
    rows = ModelPrice.objects.select_related("tenant")
    row = rows.filter(pk=number).first() if number.isdecimal() and len(number) < 18 else None
    if row and remove_price(tenant=row.tenant, model=row.model, actor=request.user):
        found = published_price(row.model)
        then = "the published price counts again" if found else "it has no known price now"
        messages.success(request, f"The price of {row.model} is removed: {then}.")
    else:
        messages.info(request, "That price was removed already.")
    return HttpResponseRedirect(reverse("operator-prices"))


def _published(request: OperatorHttpRequest) -> dict[str, Any]:
    wanted = read_filter(request, "q")
    found, count = search_published(wanted) if wanted else ([], 0)
    return {
        "wanted": wanted,
        "published": found,
        "published_count": count,
        "list_words": list_words(),
    }

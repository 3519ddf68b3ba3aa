"""What a tenant and its keys may spend and ask: shown, set, removed.

The tenant's budget is the operator's money: operators set it, admins see it. Budgets of keys are the
admins' own. Both count at once, so a key's can only be tighter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from ragadmin.errors import NotFound, PermissionDenied, RagadminError
from ragadmin.forms import add_error
from tenants.access import TenantHttpRequest, tenant_page
from tenants.budget_figures import money
from tenants.budget_view import LADDER_ROWS, Spender, find_spenders, resets
from tenants.budgets import budget_figures, set_budgets
from tenants.keys import limit_key
from tenants.models import ApiKey
from tenants.tenant_forms import KeyLimitsForm, LimitsForm
from tenants.views.answers import go_to
from tenants.views.query_settings import say_saved

if TYPE_CHECKING:
    from decimal import Decimal

    from django.http import HttpResponse

PAGE = "settings-budget"
PERIODS = ("day", "month")


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_page("admin")
def budget_settings(request: TenantHttpRequest, slug: str) -> HttpResponse:
    """POST with `key`: that key's budgets and limit; without: the tenant's budgets."""
    bound = None
    if request.method == "POST":
        key = _find_key(request)
        if key is None and not request.user.is_operator:
            raise PermissionDenied("The operator of this installation sets the tenant's budget.")
        bound = _form(key, request.POST)
        if bound.is_valid() and _save(request, key, bound):
            return go_to(request, PAGE, slug)
    return render(request, "tenants/settings_budget.html", _context(request, bound))


def _find_key(request: TenantHttpRequest) -> ApiKey | None:
    """Raises NotFound."""
    wanted = request.POST.get("key", "")
    if not wanted:
        return None
    live = ApiKey.objects.filter(tenant=request.tenant, revoked_at=None)
    found = next((key for key in live if str(key.pk) == wanted), None)
    if found is None:
        raise NotFound("The tenant has no live key with this id.")
    return found


def _form(key: ApiKey | None, data: Any, initial: Any = None) -> LimitsForm:
    form_class = KeyLimitsForm if key else LimitsForm
    return form_class(data, initial=initial, auto_id=f"id_{key.pk if key else 'tenant'}_%s")


def _save(request: TenantHttpRequest, key: ApiKey | None, form: LimitsForm) -> bool:
    tenant, before = request.tenant, _amounts(request, key)
    data = form.cleaned_data
    wanted = [
        {"period": period, "amount_usd": data[period], "api_key": key and key.pk}
        for period in PERIODS
        if data[period] != before.get(period)
    ]
    said = [_say(period, before.get(period), data[period]) for period in PERIODS]
    try:
        with transaction.atomic():
            set_budgets(tenant=tenant, wanted=wanted, actor=request.user)
            if key and key.questions_per_minute != data["questions_per_minute"]:
                said.append(_say_limit(key.questions_per_minute, data["questions_per_minute"]))
                limit_key(key, data["questions_per_minute"], actor=request.user)
    except RagadminError as error:
        add_error(form, error)
        return False
    whose = f"{key.name}: " if key else ""
    say_saved(request, [whose + words for words in said if words])
    return True


def _amounts(request: TenantHttpRequest, key: ApiKey | None) -> dict[str, Decimal]:
    wanted = str(key.pk) if key else None
    found = budget_figures(request.tenant)
    return {each.period: each.amount_usd for each in found if each.api_key_id == wanted}


def _say(period: str, old: Decimal | None, new: Decimal | None) -> str:
    if old == new:
        return ""
    before, after = (money(amount) if amount is not None else "none" for amount in (old, new))
    return f"Budget a {period}: {before} → {after}"


def _say_limit(old: int | None, new: int | None) -> str:
    return f"Questions per minute: {old or 'no limit'} → {new or 'no limit'}"


def _context(request: TenantHttpRequest, bound: LimitsForm | None) -> dict[str, Any]:
    spenders = find_spenders(request.tenant)
    return {
        "section": "budget",
        "spenders": [
            (spender, _form_of(spender, bound), _may_set(request, spender)) for spender in spenders
        ],
        "ladder": LADDER_ROWS,
        "resets": resets(request.tenant),
        "is_operator": request.user.is_operator,
        "has_budget": any(spender.has_budget for spender in spenders),
    }


def _form_of(spender: Spender, bound: LimitsForm | None) -> LimitsForm:
    shown = _form(spender.key, None, spender.values)
    return bound if bound is not None and bound.auto_id == shown.auto_id else shown


def _may_set(request: TenantHttpRequest, spender: Spender) -> bool:
    return spender.key is not None or request.user.is_operator

"""A change of one tier's list of models: one is added, removed or moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms

from ragadmin.errors import Conflict, InvalidRequest
from tenants.models import ModelRoute, Provider
from tenants.routes import RoutedModel, list_routes, set_routes

if TYPE_CHECKING:
    from tenants.models import Tenant, User

STEPS = {"up": -1, "down": 1}
CHANGED = "The list was changed by somebody else meanwhile: this is how it is now."


class RouteForm(forms.Form):
    """`action` add takes `model` and `provider`; the others say which one is meant, and where it was."""

    tier = forms.ChoiceField(choices=ModelRoute.Tier.choices, widget=forms.HiddenInput)
    model = forms.CharField(
        max_length=120,
        widget=forms.TextInput(
            attrs={"list": "models", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    provider = forms.ModelChoiceField(
        queryset=Provider.objects.order_by("name"),
        required=False,
        label="Endpoint",
        empty_label="The tenant's endpoint",
    )
    action = forms.ChoiceField(choices=[(name, name) for name in ("add", "remove", *STEPS)])
    place = forms.IntegerField(required=False, min_value=0)


def change_routes(tenant: Tenant, form: RouteForm, actor: User) -> str:
    """What was done, in words. Raises InvalidRequest, Conflict."""
    data = form.cleaned_data
    action, place = data["action"], data["place"]
    wanted = RoutedModel(data["model"].strip(), data["provider"])
    models = list_routes(tenant)[data["tier"]]
    if action == "add":
        models.append(wanted)
    elif place is None or models[place : place + 1] != [wanted]:
        raise Conflict(CHANGED)
    elif action == "remove":
        models.pop(place)
    else:
        _move(models, place, place + STEPS[action])
    try:
        set_routes(tenant=tenant, tier=data["tier"], models=models, actor=actor)
    except InvalidRequest as error:
        field = "model" if error.extra.get("field") == "models" else error.extra.get("field")
        raise InvalidRequest(error.message, extra={"field": field}) from None
    said = {
        "add": "is added",
        "remove": "is removed",
        "up": "is asked earlier",
        "down": "is asked later",
    }
    return f"{wanted} {said[action]}. It takes effect within two seconds."


def _move(models: list[RoutedModel], place: int, to: int) -> None:
    if not 0 <= to < len(models):
        raise Conflict(CHANGED)
    models.insert(to, models.pop(place))

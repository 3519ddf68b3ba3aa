"""The forms of a tenant's own pages: keys, members, settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from tenants.models import Membership, Provider

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragadmin.errors import RagadminError
    from tenants.models import Tenant

SCOPE_LABELS = (
    ("query", "Ask and search"),
    ("ingest", "Upload and delete documents"),
    ("admin", "Manage members"),
)
ROLE_LABELS = (
    (Membership.Role.MEMBER, "Member: asks and rates"),
    (Membership.Role.ADMIN, "Admin: also documents, keys, members and settings"),
    (Membership.Role.OWNER, "Owner: everything, and makes other owners"),
)


def explain(form: forms.Form, error: RagadminError) -> None:
    """Shows a service's refusal at the field it is about."""
    field = error.extra.get("field")
    form.add_error(field if field in form.fields else None, error.message)


class LevelsField(forms.MultipleChoiceField):
    widget = forms.CheckboxSelectMultiple

    def __init__(self, levels: Sequence[str]) -> None:
        super().__init__(
            choices=[(level, level) for level in levels],
            label="Access levels",
            help_text="Documents of other levels are neither found nor cited.",
            error_messages={"required": "Choose at least one access level."},
        )


class KeyForm(forms.Form):
    name = forms.CharField(
        max_length=100, help_text="What will use the key, so that you know it again later."
    )
    scopes = forms.MultipleChoiceField(
        choices=SCOPE_LABELS,
        initial=["query"],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one scope."},
    )

    def __init__(self, *args: Any, levels: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["access_levels"] = LevelsField(levels)
        self.fields["access_levels"].initial = list(levels)


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=ROLE_LABELS, initial=Membership.Role.MEMBER)

    def __init__(self, *args: Any, levels: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["access_levels"] = LevelsField(levels)
        self.fields["access_levels"].initial = list(levels)


class InviteForm(RoleForm):
    email = forms.EmailField(
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
        help_text="Somebody who has no account yet gets an initial password, shown once.",
    )
    field_order = ["email", "role", "access_levels"]


class SettingsForm(forms.Form):
    name = forms.CharField(max_length=200)
    top_k = forms.IntegerField(
        min_value=1,
        max_value=50,
        label="Passages per question",
        help_text="How many passages an answer may draw on, 1 to 50.",
    )
    min_similarity = forms.FloatField(
        min_value=0,
        max_value=1,
        label="Least similarity",
        help_text="Passages less similar to the question than this are left out, 0 to 1.",
        widget=forms.NumberInput(attrs={"step": "0.01"}),
    )
    access_levels = forms.CharField(
        max_length=1000,
        help_text="Separated by commas. A level that documents have cannot be removed.",
    )
    provider = forms.ModelChoiceField(
        queryset=Provider.objects.order_by("name"),
        required=False,
        empty_label="Installation default",
        label="Model endpoint",
    )

    @classmethod
    def of(cls, tenant: Tenant) -> SettingsForm:
        return cls(
            initial={
                "name": tenant.name,
                "top_k": tenant.top_k,
                "min_similarity": tenant.min_similarity,
                "access_levels": ", ".join(tenant.access_levels),
                "provider": tenant.provider,
            }
        )

    def clean_access_levels(self) -> list[str]:
        return self.cleaned_data["access_levels"].split(",")

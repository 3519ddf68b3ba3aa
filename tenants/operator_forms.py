"""Forms of the operator's pages."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.utils.safestring import mark_safe

from ragadmin.errors import InvalidRequest
from tenants.config import ModelEndpoint
from tenants.models import Membership, Provider, Tenant
from tenants.services import OFFERED_EMBEDDING_MODELS, check_slug

ISOLATION_CHOICES = [
    (Tenant.Isolation.SCHEMA, "Schema: tables of its own"),
    (Tenant.Isolation.PARTITION, "Partition: its chunks in a table of their own"),
    (Tenant.Isolation.SHARED, "Shared: its rows beside those of others"),
]
# A path and no url name: the page is above this layer.
ISOLATION_HELP = mark_safe(
    "It can be moved to another level later. "
    '<a href="/operator/isolation/comparison/">Compare the levels</a>'
)

ENDPOINT_FIELDS = ("name", "base_url", "api_key", "small_model", "large_model")
# The endpoint's models are offered as soon as it was asked for them.
MODEL_ATTRIBUTES = {"list": "endpoint-models", "autocomplete": "off", "spellcheck": "false"}


class NewTenantForm(forms.Form):
    name = forms.CharField(
        max_length=200, widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "off"})
    )
    slug = forms.CharField(
        max_length=40,
        help_text="Part of every address of the tenant; it cannot be changed later.",
        widget=forms.TextInput(
            attrs={"data-slug-from": "id_name", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    embedding_model = forms.ChoiceField(
        help_text="Another one can be chosen later: all documents are then indexed anew."
    )

    isolation = forms.ChoiceField(
        choices=ISOLATION_CHOICES,
        initial=Tenant.Isolation.SCHEMA,
        required=False,
        help_text=ISOLATION_HELP,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = dict.fromkeys([settings.EMBEDDING_MODEL, *OFFERED_EMBEDDING_MODELS])
        model = self.fields["embedding_model"]
        model.initial = settings.EMBEDDING_MODEL
        model.choices = [(name, name) for name in names]

    def clean_isolation(self) -> str:
        return self.cleaned_data["isolation"] or Tenant.Isolation.SCHEMA


class DeleteTenantForm(forms.Form):
    slug = forms.CharField(
        max_length=40, widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )

    def __init__(self, *args: Any, slug: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._slug = slug
        self.fields["slug"].label = f"Type {slug} to confirm"

    def clean_slug(self) -> str:
        if self.cleaned_data["slug"] != self._slug:
            raise forms.ValidationError(f"Nothing was deleted: type {self._slug}.")
        return self._slug


class ImportTenantForm(forms.Form):
    archive = forms.FileField(
        help_text="A .zip file that an export of a tenant wrote.",
        widget=forms.FileInput(attrs={"accept": ".zip,application/zip"}),
    )
    slug = forms.CharField(
        max_length=40,
        required=False,
        help_text="Leave empty for the slug that the tenant had.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    isolation = forms.ChoiceField(
        required=False, choices=[("", "As in the archive"), *Tenant.Isolation.choices]
    )

    def clean_slug(self) -> str:
        slug = self.cleaned_data["slug"].strip()
        if slug:
            try:
                check_slug(slug)
            except InvalidRequest as error:
                raise forms.ValidationError(error.message) from error
        return slug


class AddMemberForm(forms.Form):
    email = forms.EmailField(widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    role = forms.ChoiceField(choices=Membership.Role.choices, initial=Membership.Role.OWNER)
    access_levels = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple)

    def __init__(self, *args: Any, tenant: Tenant, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        levels = self.fields["access_levels"]
        levels.choices = [(level, level) for level in tenant.access_levels]
        levels.initial = tenant.access_levels


class ProviderForm(forms.Form):
    name = forms.CharField(
        max_length=100, help_text="How tenants see it, for example the name of the service."
    )
    base_url = forms.CharField(
        label="Address",
        max_length=200,
        help_text="Of the OpenAI-compatible API; it usually ends with /v1.",
        widget=forms.URLInput(attrs={"placeholder": "https://", "spellcheck": "false"}),
    )
    api_key = forms.CharField(
        label="API key",
        required=False,
        strip=True,
        help_text="Stored encrypted and never shown again. Leave empty for an endpoint without keys.",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    forget_key = forms.BooleanField(label="Remove the stored key", required=False)
    small_model = forms.CharField(
        max_length=100,
        help_text="Answers simple questions, and words questions anew.",
        initial=settings.SMALL_MODEL,
        widget=forms.TextInput(attrs=MODEL_ATTRIBUTES),
    )
    large_model = forms.CharField(
        max_length=100,
        help_text="Answers demanding questions. It may be the same model.",
        initial=settings.LARGE_MODEL,
        widget=forms.TextInput(attrs=MODEL_ATTRIBUTES),
    )

    def __init__(self, *args: Any, provider: Provider | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if provider and provider.api_key_encrypted:
            self.fields["api_key"].help_text = "A key is stored. Leave empty to keep it."
        else:
            del self.fields["forget_key"]
        if provider:
            for name in ("name", "base_url", "small_model", "large_model"):
                self.fields[name].initial = getattr(provider, name)

    def clean_base_url(self) -> str:
        url = self.cleaned_data["base_url"].rstrip("/")
        try:
            parts = urlsplit(url)
            is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            is_address = False
        if not is_address:
            raise forms.ValidationError("Enter an address that begins with https:// or http://.")
        return url

    def endpoint(self) -> ModelEndpoint:
        return ModelEndpoint(**{name: self.cleaned_data[name] for name in ENDPOINT_FIELDS})

    def entered(self) -> ModelEndpoint:
        """What is needed to ask it for its models, before the rest is filled in. Raises InvalidRequest."""
        self.full_clean()
        data = self.cleaned_data
        if wrong := [name for name in ("base_url", "api_key") if name not in data]:
            raise InvalidRequest(str(self.errors[wrong[0]][0]), extra={"field": wrong[0]})
        return ModelEndpoint(**{name: data.get(name, "") for name in ENDPOINT_FIELDS})


class PriceForm(forms.Form):
    model = forms.CharField(
        max_length=120,
        help_text="As its endpoint lists it; search for a search, rerank for a call of the re-ranker.",
        widget=forms.TextInput(
            attrs={"list": "known-models", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    tenant = forms.CharField(
        max_length=40,
        required=False,
        label="For",
        help_text="The slug of one tenant. Empty: all that have no price of their own.",
        widget=forms.TextInput(
            attrs={"list": "tenants", "autocomplete": "off", "placeholder": "all tenants"}
        ),
    )
    unit = forms.ChoiceField(
        choices=[("tokens", "A million tokens"), ("calls", "A thousand calls")],
        initial="tokens",
        label="US dollars for",
    )
    input_usd = forms.DecimalField(
        label="Input", min_value=0, help_text="0 is a price too, for a model of your own."
    )
    output_usd = forms.DecimalField(
        label="Output", min_value=0, initial=0, help_text="0 for embeddings and for calls."
    )

    def clean_tenant(self) -> Tenant | None:
        slug = self.cleaned_data["tenant"]
        if not slug:
            return None
        found = Tenant.objects.filter(slug=slug).first()
        if found is None:
            raise forms.ValidationError(f"There is no tenant with the slug {slug}.")
        return found

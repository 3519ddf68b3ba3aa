"""The settings that documents are indexed with, as a form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings

from retrieval.services.reindex import FEWEST_TOKENS, MOST_TOKENS
from tenants.services import OFFERED_EMBEDDING_MODELS

if TYPE_CHECKING:
    from tenants.models import Tenant

MODELS_LIST = "embedding-models"


class IndexingForm(forms.Form):
    chunk_tokens = forms.IntegerField(
        min_value=FEWEST_TOKENS,
        max_value=MOST_TOKENS,
        label="Tokens in a passage, at most",
        help_text="Shorter passages are found more precisely, longer ones say more to the answer: "
        f"{FEWEST_TOKENS} to {MOST_TOKENS}, usually 150 to 400.",
    )
    embedding_model = forms.CharField(
        max_length=120,
        help_text="One of the list, any <span class=mono>openai:NAME</span> that the endpoint of "
        "this installation knows, or any <span class=mono>fastembed:NAME</span>.",
        widget=forms.TextInput(
            attrs={"list": MODELS_LIST, "autocomplete": "off", "spellcheck": "false"}
        ),
    )

    @classmethod
    def of(cls, tenant: Tenant) -> IndexingForm:
        """As it is wanted now: what is being made, else what is in use."""
        names = ("chunk_tokens", "embedding_model")
        wanted = {name: getattr(tenant, f"next_{name}") or getattr(tenant, name) for name in names}
        return cls(initial=wanted)


def offered_models(tenant: Tenant) -> list[str]:
    names: Any = (tenant.embedding_model, settings.EMBEDDING_MODEL, *OFFERED_EMBEDDING_MODELS)
    return list(dict.fromkeys(names))

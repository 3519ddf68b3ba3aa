"""Forms of the settings that questions are answered with, made from tenants.query_settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms

from tenants.models import Tenant
from tenants.query_settings import DEFAULTS, FIELDS, LONGEST_TEXT
from tenants.query_words import CHOICES, SHARES, WORDS, say_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.http import QueryDict

    from tenants.config import TenantConfig

# In columns of the tenant: name, least, most.
COLUMNS = {"top_k": (1, 50), "min_similarity": (0, 1)}
SEARCH = {
    "Search": ("search_mode", "top_k", "min_similarity"),
    "Ranking": ("rerank", "rerank_candidates", "mmr_lambda"),
    "Wording": ("rewrite_follow_ups", "multi_query", "rewrites"),
    "What the model is shown": ("neighbours", "compress"),
}
MODELS = {
    "Which tier a question belongs to": ("simple_passages", "simple_words", "moderate_passages"),
    "Answers": ("answer_tokens", "temperature", "first_token_seconds", "instructions"),
}
CACHE = {
    "Answers": ("cache", "semantic_cache", "similarity_threshold", "cache_ttl_minutes"),
    "Models": ("llm_cache",),
    "Wrong hits": ("shadow_share", "false_hit_budget"),
}


class ShareField(forms.FloatField):
    """A share from 0 to 1 that people see and enter in percent."""

    def prepare_value(self, value: Any) -> Any:
        return f"{value * 100:g}" if isinstance(value, (int, float)) else value

    def to_python(self, value: Any) -> float | None:
        number = super().to_python(value)
        return None if number is None else round(number / 100, 6)

    def validate(self, value: Any) -> None:
        super().validate(value)
        if value is not None and not 0 <= value <= 1:
            raise forms.ValidationError("Enter a number from 0 to 100.")


@dataclass(frozen=True, slots=True)
class SettingRow:
    """A field with what it is by default. `is_own`: what the field shows differs from that."""

    name: str
    bound: forms.BoundField
    unit: str
    default: str
    is_own: bool


class QuerySettingsForm(forms.Form):
    """`groups`: names of settings by title. Unbound, it shows what is in force."""

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        config: TenantConfig,
        groups: Mapping[str, Sequence[str]],
    ) -> None:
        self._titles = groups
        self.names = [name for names in groups.values() for name in names]
        super().__init__(data, initial=values_of(config, self.names))
        for name in self.names:
            self.fields[name] = make_field(name)

    @property
    def groups(self) -> list[tuple[str, list[SettingRow]]]:
        return [
            (title, [self._row(name) for name in names]) for title, names in self._titles.items()
        ]

    @property
    def rows(self) -> dict[str, SettingRow]:
        return {name: self._row(name) for name in self.names}

    def changes(self) -> dict[str, Any]:
        """What was entered, as tenants.configure takes it."""
        data = self.cleaned_data
        columns = {name: data[name] for name in COLUMNS if name in data}
        query = {name: data[name] for name in self.names if name not in COLUMNS}
        return columns | {"query_settings": query}

    def _row(self, name: str) -> SettingRow:
        bound, default = self[name], default_of(name)
        is_own = bound.field.has_changed(default, bound.value())
        return SettingRow(name, bound, WORDS[name][2], say_value(name, default), is_own)


def with_defaults(data: QueryDict, names: Sequence[str]) -> QueryDict:
    """What was entered, but these settings at their defaults."""
    changed = data.copy()
    for name in names:
        changed.pop(name, None)
        shown = make_field(name).prepare_value(default_of(name))
        if shown is True:
            changed[name] = "on"
        elif shown is not False:
            changed[name] = "" if shown is None else str(shown)
    return changed


def values_of(config: TenantConfig, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(config if name in COLUMNS else config.query, name) for name in names}


def default_of(name: str) -> Any:
    if name in COLUMNS:
        return Tenant._meta.get_field(name).get_default()  # noqa: SLF001
    return getattr(DEFAULTS, name)


def say_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Label, old and new value of each setting that differs."""
    return [
        f"{WORDS[name][0]}: {say_value(name, old)} → {say_value(name, after[name])}"
        for name, old in before.items()
        if old != after[name]
    ]


def make_field(name: str) -> forms.Field:
    label, hint, _ = WORDS[name]
    default = default_of(name)
    words: dict[str, Any] = {"label": label, "help_text": hint}
    limits: Mapping[str, Any] = {} if name in COLUMNS else FIELDS[name].metadata
    if "choices" in limits:
        choices = [(value, CHOICES[name][value]) for value in limits["choices"]]
        return forms.ChoiceField(choices=choices, **words)
    if isinstance(default, bool):
        return forms.BooleanField(required=False, **words)
    if isinstance(default, str):
        widget = forms.Textarea(attrs={"rows": 5})
        return forms.CharField(required=False, max_length=LONGEST_TEXT, widget=widget, **words)
    least, most = COLUMNS[name] if name in COLUMNS else (limits["least"], limits["most"])
    return _number_field(name, default, least, most, words)


def _number_field(
    name: str, default: float | None, least: float, most: float, words: dict[str, Any]
) -> forms.Field:
    if name in SHARES:
        widget = forms.NumberInput(attrs={"step": "any", "min": 0, "max": 100})
        return ShareField(widget=widget, **words)
    limits = {"min_value": least, "max_value": most, "required": default is not None}
    if isinstance(default, int):
        return forms.IntegerField(**limits, **words)
    widget = forms.NumberInput(attrs={"step": "any", "min": least, "max": most})
    return forms.FloatField(widget=widget, **limits, **words)

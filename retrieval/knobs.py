"""The settings that an admin tries out on a question: in the retrieval bench and side by side.

A knob that the address names shows that value, the others what is saved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms

from tenants.query_forms import COLUMNS, default_of, make_field, say_changes, values_of
from tenants.query_words import say_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenants.config import TenantConfig

RETRIEVAL = {
    "Search": ("search_mode", "top_k", "min_similarity"),
    "Ranking": ("rerank", "rerank_candidates", "mmr_lambda"),
    "Wording": ("multi_query", "rewrites"),
    "What the model is shown": ("neighbours", "compress"),
}
ANSWERS = {"Answers": ("answer_tokens", "temperature")}
# Of two settings side by side: those that are tried most stand first.
FIRST = ("top_k", "search_mode", "rerank", "multi_query", "compress")


@dataclass(frozen=True, slots=True)
class Knob:
    """`saved` and `default` are in words."""

    name: str
    bound: forms.BoundField
    saved: str
    default: str


class KnobForm(forms.Form):
    """Knobs by title. Bound when it is to be saved; until then it shows what the address says."""

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        config: TenantConfig,
        groups: Mapping[str, Sequence[str]],
        address: Mapping[str, str] | None = None,
        prefix: str | None = None,
    ) -> None:
        self.titles = groups
        self.names = [name for names in groups.values() for name in names]
        self.saved = values_of(config, self.names)
        super().__init__(data, prefix=prefix, auto_id="knob-%s")
        for name in self.names:
            self.fields[name] = self._field(name, address or {})

    @property
    def groups(self) -> list[tuple[str, list[Knob]]]:
        return [
            (title, [self._knob(name) for name in names]) for title, names in self.titles.items()
        ]

    def changes(self) -> dict[str, Any]:
        """Those that differ from what is saved. Only of a valid form."""
        entered = {name: self.cleaned_data[name] for name in self.names}
        return {name: value for name, value in entered.items() if value != self.saved[name]}

    def say_changes(self) -> list[str]:
        changes = self.changes()
        return say_changes({name: self.saved[name] for name in changes}, changes)

    def _field(self, name: str, address: Mapping[str, str]) -> forms.Field:
        field = make_field(name)
        key = self.add_prefix(name)
        field.initial = (
            _read(field, address[key], self.saved[name]) if key in address else self.saved[name]
        )
        field.widget.attrs |= {
            "data-knob": name,
            "data-saved": _as_typed(field, self.saved[name]),
            "data-default": _as_typed(field, default_of(name)),
        }
        return field

    def _knob(self, name: str) -> Knob:
        saved, default = say_value(name, self.saved[name]), say_value(name, default_of(name))
        return Knob(name, self[name], saved, default)


def _read(field: forms.Field, raw: str, saved: Any) -> Any:
    """A value that means nothing here is left out."""
    if isinstance(field, forms.BooleanField):
        return raw == "on"
    try:
        return field.clean(raw)
    except forms.ValidationError:
        return saved


def _as_typed(field: forms.Field, value: Any) -> str:
    """As the page's own script reads it from the control."""
    if isinstance(value, bool):
        return "on" if value else "off"
    shown = field.prepare_value(value)
    return "" if shown is None else str(shown)


def as_update(changes: Mapping[str, Any]) -> dict[str, Any]:
    """As tenants.configure.update_tenant takes them."""
    columns = {name: value for name, value in changes.items() if name in COLUMNS}
    query = {name: value for name, value in changes.items() if name not in COLUMNS}
    return columns | ({"query_settings": query} if query else {})

"""What the forms of every app share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django import forms

    from ragadmin.errors import RagadminError


def add_error(form: forms.BaseForm, error: RagadminError) -> None:
    """Puts a service's refusal at the field it is about, or above the form."""
    field = error.extra.get("field")
    form.add_error(field if field in form.fields else None, error.message)

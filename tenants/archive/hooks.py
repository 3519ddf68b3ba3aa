"""What an app does with a tenant's rows once they are imported, registered in its `ready()`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.backends.utils import CursorWrapper

    from tenants.models import Tenant

    AfterImport = Callable[[CursorWrapper, Tenant], None]

AFTER_IMPORT: list[AfterImport] = []


def register(act: AfterImport) -> None:
    """`act` is called with the owner's cursor and the tenant in force, in the import's transaction."""
    if act not in AFTER_IMPORT:
        AFTER_IMPORT.append(act)

"""Rows that an app keeps of a tenant in the public schema without a foreign key, and what becomes of
them when it is deleted; registered in the app's `ready()`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.backends.utils import CursorWrapper


@dataclass(frozen=True, slots=True)
class PublicRows:
    """Both are called with the owner's cursor and the tenant's id, `remove` in the transaction of the
    deletion, with nobody beside it."""

    # By kind, as the report of the deletion has them.
    count: Callable[[CursorWrapper, int], dict[str, int]]
    remove: Callable[[CursorWrapper, int], None]


PUBLIC_ROWS: list[PublicRows] = []


def register(rows: PublicRows) -> None:
    if rows not in PUBLIC_ROWS:
        PUBLIC_ROWS.append(rows)

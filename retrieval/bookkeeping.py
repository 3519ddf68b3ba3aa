"""Statements of retrieval.events.ledger on the console's connection. The hot path has its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

from tenants.context import current_tenant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID


def book(statement: str, answer_ids: Sequence[UUID], **change: int) -> None:
    """In the transaction of the tenant in force. Raises TenantNotSet."""
    current_tenant()
    if statement:
        with connection.cursor() as cursor:
            cursor.execute(statement, {"answer_ids": list(answer_ids), **change})

"""Statements of retrieval.events.ledger on the console's connection. The hot path has its own."""

from __future__ import annotations

from typing import Any

from django.db import connection

from tenants.context import current_tenant


def book(statement: str, **values: Any) -> None:
    """In the transaction of the tenant in force. Raises TenantNotSet."""
    current_tenant()
    if statement:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)

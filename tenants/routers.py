"""Which tables are made where: tenant tables never in public, public ones only by the owner."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model

_compiling: ContextVar[bool] = ContextVar("compiling_tenant_schema", default=False)
_on_owner: ContextVar[bool] = ContextVar("queries_on_owner", default=False)


@contextmanager
def compiling_tenant_schema() -> Iterator[None]:
    """While tenant migrations are turned into SQL, they and only they apply."""
    token = _compiling.set(True)
    try:
        yield
    finally:
        _compiling.reset(token)


@contextmanager
def queries_on_owner() -> Iterator[None]:
    """Queries that name no database go through the owner: a data migration's are in its transaction."""
    token = _on_owner.set(True)
    try:
        yield
    finally:
        _on_owner.reset(token)


class SchemaRouter:
    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        return "owner" if _on_owner.get() else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        if _compiling.get():
            return app_label in settings.TENANT_APPS
        return db == "owner" and app_label not in settings.TENANT_APPS

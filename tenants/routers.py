"""Which tables are made where: tenant tables never in public, public ones only by the owner."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

_compiling: ContextVar[bool] = ContextVar("compiling_tenant_schema", default=False)


@contextmanager
def compiling_tenant_schema() -> Iterator[None]:
    """While tenant migrations are turned into SQL, they and only they apply."""
    token = _compiling.set(True)
    try:
        yield
    finally:
        _compiling.reset(token)


class SchemaRouter:
    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        if _compiling.get():
            return app_label in settings.TENANT_APPS
        return db == "owner" and app_label not in settings.TENANT_APPS

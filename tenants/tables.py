"""What every table of a tenant schema has: the tenant's id, forced row-level security, a guarded manager."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models import Func, Value
from django.db.models.functions import Cast

from tenants.context import current_tenant

TENANT_ID = "ragadmin.tenant_id"
# The type stubs know no db_default for JSON.
EMPTY_LIST: Any = models.Value([], models.JSONField())
EMPTY_OBJECT: Any = models.Value({}, models.JSONField())
# For changes of tables: row-level security binds an owner that is no superuser, even while the
# database checks a new foreign key.
AS_NOBODY = f"SET LOCAL {TENANT_ID} = '0';"


def tenant_id_in_force() -> Cast:
    """The database's own default, so that no insert can forget or forge the tenant."""
    return Cast(Func(Value(TENANT_ID), function="current_setting"), models.BigIntegerField())


class TenantManager(models.Manager[Any]):
    """Raises TenantNotSet before any query is built when no tenant is in force."""

    use_in_migrations = False

    def get_queryset(self) -> models.QuerySet[Any]:
        """Names the tenant beside row-level security: a constant lets the planner pick the
        tenant's partition and index, which a setting read at run time does not."""
        return super().get_queryset().filter(tenant_id=current_tenant().id)


class TenantModel(models.Model):
    tenant_id = models.BigIntegerField(db_default=tenant_id_in_force(), editable=False)

    objects = TenantManager()

    class Meta:
        abstract = True


def row_level_security(table: str) -> str:
    """SQL that lets rows of `table` be seen and written only for the tenant in force.

    Forced, so that it binds the table's owner too. With no tenant set, `current_setting` raises.
    """
    policy = f"tenant_id = current_setting('{TENANT_ID}')::bigint"
    return (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;"
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY;"
        f"CREATE POLICY tenant_isolation ON {table} USING ({policy}) WITH CHECK ({policy});"
    )


@lru_cache(maxsize=1)
def tenant_models() -> tuple[type[TenantModel], ...]:
    """Every model of the tenant schema as they are defined, but each after those it refers to."""
    ordered: dict[Any, None] = {}

    def place(model: Any) -> None:
        for field in model._meta.fields:  # noqa: SLF001
            if field.is_relation and field.related_model is not model:
                place(field.related_model)
        ordered.setdefault(model)

    for label in settings.TENANT_APPS:
        for model in apps.get_app_config(label).get_models():
            place(model)
    return tuple(ordered)


@lru_cache(maxsize=1)
def tenant_tables() -> tuple[str, ...]:
    return tuple(model._meta.db_table for model in tenant_models())  # noqa: SLF001

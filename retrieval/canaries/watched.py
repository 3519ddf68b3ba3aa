"""What watches a canary tenant: a rule, an alert that came of it and a notifier, all switched off, with
the tenant's word in their names.

The app that has them is above this one, so they are made by the names of their tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from django.apps import apps
from django.utils import timezone

if TYPE_CHECKING:
    from tenants.models import Tenant

APP = "monitoring"
# One of each for a tenant, found again by the number that is made of its own.
NUMBERS = UUID("5d1c9e1e-6f0b-4f5c-9d3a-6a2f6f1c7b10")


def make_watched(tenant: Tenant, word: str) -> dict[str, str]:
    """Their ids as addresses name them. Makes them or brings them up to date."""
    now = timezone.now()
    rule = _keep("AlertRule", tenant, RULE | {"name": word, "tenant": tenant})
    notifier = _keep("Notifier", tenant, NOTIFIER | {"name": word, "tenant": tenant})
    alert = {"rule": rule, "tenant": tenant, "level": "alert", "resolved_at": now}
    return {
        "rule_id": str(rule.pk),
        "notifier_id": str(notifier.pk),
        "alert_id": str(_keep("Alert", tenant, alert).pk),
    }


RULE = {
    "metric": "error_rate",
    "window_minutes": 60,
    "comparison": "above",
    "alert_threshold": 1,
    "is_enabled": False,
}
NOTIFIER = {"kind": "email", "target": "canary@example.invalid", "is_enabled": False}


def _keep(model: str, tenant: Tenant, values: dict[str, Any]) -> Any:
    number = uuid5(NUMBERS, f"{model} {tenant.pk}")
    found = apps.get_model(APP, model)._default_manager.update_or_create(  # noqa: SLF001
        pk=number, defaults=values
    )
    return found[0]

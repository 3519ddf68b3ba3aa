"""Changes to a tenant's settings, with what follows from them."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import DataError, connection, transaction
from django.db.models import Q

from ragadmin.errors import Conflict, InvalidRequest
from tenants.audit import record_event
from tenants.context import tenant_context
from tenants.indexing import INDEXING_SETTINGS, prepare_change
from tenants.keys import MOST_QUESTIONS
from tenants.models import ApiKey, Membership, Tenant, User
from tenants.query_settings import DEFAULTS, change_settings, read_settings
from tenants.tables import TenantModel

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVEL = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
MOST_LEVELS = 20


def update_tenant(*, tenant: Tenant, actor: User | str, **changes: Any) -> Tenant:
    """Saves the named fields only, so that counters which change meanwhile are kept.

    `query_settings` holds those that change, by name; one at its default is stored no longer.

    What documents are indexed with is not saved but begins an index beside the one in use.
    """
    indexing = {name: changes.pop(name) for name in INDEXING_SETTINGS if name in changes}
    begin = prepare_change(tenant, indexing) if indexing else None
    row = _save(tenant, actor, changes)
    return begin(actor) if begin else row


def _save(tenant: Tenant, actor: User | str, changes: dict[str, Any]) -> Tenant:
    with tenant_context(tenant):
        row = Tenant.objects.select_for_update().get(pk=tenant.pk)
        if "query_settings" in changes:
            query = change_settings(read_settings(row.query_settings), changes["query_settings"])
            changes["query_settings"] = query.as_json()
        before = {name: getattr(row, name) for name in changes}
        if "access_levels" in changes:
            changes["access_levels"] = clean_levels(changes["access_levels"])
            _follow_levels(row, changes["access_levels"], actor)
        for name, value in changes.items():
            setattr(row, name, value)
        _validate(row, changes)
        row.save(update_fields=list(changes))
        changed: dict[str, Any] = {
            name: [_plain(name, old), _plain(name, new)]
            for name, (old, new) in _each(before, changes).items()
            if old != new
        }
        if changed:
            record_event("tenant.changed", actor=actor, tenant=row, target=row.slug, **changed)
    return row


def clean_levels(levels: Sequence[str]) -> list[str]:
    cleaned = list(dict.fromkeys(level.strip() for level in levels if level.strip()))
    wrong = [level for level in cleaned if not LEVEL.fullmatch(level)]
    if wrong or not 0 < len(cleaned) <= MOST_LEVELS:
        raise InvalidRequest(
            f"A tenant has 1 to {MOST_LEVELS} access levels. A name has at most 40 characters: "
            "small letters, digits, hyphens and underscores.",
            extra={"field": "access_levels"},
        )
    return cleaned


def _follow_levels(tenant: Tenant, wanted: list[str], actor: User | str) -> None:
    removed = [level for level in tenant.access_levels if level not in wanted]
    added = [level for level in wanted if level not in tenant.access_levels]
    for level in removed:
        if what := _what_uses(level):
            raise Conflict(
                f"{what} the access level {level}: give them another or delete them first.",
                code="level_in_use",
                extra={"field": "access_levels"},
            )
    if removed:
        _take_away(tenant, removed)
    if added:
        _give_to_owners(tenant, added, actor)


def _what_uses(level: str) -> str:
    """Asks every tenant table that carries an access level, or names levels in what USES_LEVELS says of
    it, whichever app it belongs to."""
    models = [model for model in apps.get_models() if issubclass(model, TenantModel)]
    for model in models:
        if hasattr(model, "access_level") and model.objects.filter(access_level=level).exists():
            return "Documents have"
    for model in models:
        said = getattr(model, "USES_LEVELS", "")
        if said and model.objects.filter(access_levels__contains=[level]).exists():
            return said
    return ""


def _take_away(tenant: Tenant, levels: list[str]) -> None:
    """From people and keys too: a level of the same name made later is not theirs."""
    for model in (Membership, ApiKey):
        for row in model.objects.filter(tenant=tenant, access_levels__overlap=levels):
            row.access_levels = [level for level in row.access_levels if level not in levels]
            row.save(update_fields=["access_levels"])


def _give_to_owners(tenant: Tenant, levels: list[str], actor: User | str) -> None:
    """And to whoever made the level: nobody can give on what nobody has."""
    who = Q(role=Membership.Role.OWNER)
    if isinstance(actor, User):
        who |= Q(user=actor)
    for row in Membership.objects.filter(who, tenant=tenant):
        row.access_levels = list(dict.fromkeys([*row.access_levels, *levels]))
        row.save(update_fields=["access_levels"])


def _is_known_zone(name: str) -> bool:
    """To Python and to Postgres, which have lists of their own and both cut time into days."""
    if name not in available_timezones():
        return False
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT now() AT TIME ZONE %s", [name])
    except DataError:
        return False
    return True


def _validate(row: Tenant, changes: dict[str, Any]) -> None:
    if "timezone" in changes and not _is_known_zone(row.timezone):
        raise InvalidRequest(
            f"There is no time zone {row.timezone!r}: name one such as Europe/Berlin.",
            extra={"field": "timezone"},
        )
    if row.questions_per_minute is not None and row.questions_per_minute > MOST_QUESTIONS:
        raise InvalidRequest(
            f"questions_per_minute is at most {MOST_QUESTIONS:,}; null: no limit.",
            extra={"field": "questions_per_minute"},
        )
    if not math.isfinite(row.min_similarity):  # no comparison with NaN fails, so no validator does
        raise InvalidRequest(
            "min_similarity is a number from 0 to 1.", extra={"field": "min_similarity"}
        )
    try:
        row.clean_fields(
            exclude=[field.name for field in Tenant._meta.fields if field.name not in changes]  # noqa: SLF001
        )
    except ValidationError as error:
        name, messages = next(iter(error.message_dict.items()))
        raise InvalidRequest(
            f"{name}: {messages[0]}", extra={"field": name, "fields": error.message_dict}
        ) from None


def _each(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Old and new by name, those of the query settings one by one."""
    pairs = {name: (old, after[name]) for name, old in before.items()}
    old, new = pairs.pop("query_settings", ({}, {}))
    for name in {**old, **new}:
        default = getattr(DEFAULTS, name, None)
        pairs[name] = (old.get(name, default), new.get(name, default))
    return pairs


def _plain(name: str, value: Any) -> Any:
    if name == "instructions":  # the tenant's own words, which are nothing for an audit trail
        return f"{len(value)} characters"
    return value if isinstance(value, (str, int, float, list)) else str(value or "")

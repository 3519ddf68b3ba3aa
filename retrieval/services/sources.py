"""Changes to sources: made, configured, paused, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone

from ragadmin.errors import Conflict, InvalidRequest, NotFound
from retrieval.connectors.registry import connector_class
from retrieval.indexing import queue, store
from retrieval.indexing.due import next_run_at
from retrieval.indexing.open_source import seal_credentials
from retrieval.models import Document, Source
from retrieval.services.documents import check_access_level
from retrieval.services.schedules import set_schedule
from tenants.audit import record_event
from tenants.context import tenant_context
from tenants.models import SyncJob, SyncSchedule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from django.db.models import QuerySet

    from tenants.context import TenantLike
    from tenants.models import User


MAX_NAME = 200
MOST_KEEP_DAYS = 365
DELETE_SLICE = 500


def create_source(
    *,
    tenant: TenantLike,
    name: str,
    kind: str,
    config: Mapping[str, Any],
    access_level: str,
    actor: User | str | None,
    allowed_levels: Sequence[str] | None = None,
    credentials: Mapping[str, str] | None = None,
    schedule: Mapping[str, Any] | None = None,
    max_deleted_share: float | None = None,
    keep_days: int | None = None,
) -> Source:
    """Not synced yet: the schedule's first run comes after one period, unless it is started before.

    Raises InvalidRequest, PermissionDenied, Conflict.
    """
    connector = connector_class(kind)
    changes: dict[str, Any] = {
        "name": name, "config": config, "credentials": credentials or {},
        "access_level": access_level, "max_deleted_share": max_deleted_share,
        "keep_days": keep_days,
    }  # fmt: skip
    source = Source(kind=kind, created_by=str(actor or "command line"))
    given = {key: value for key, value in changes.items() if value is not None}
    with tenant_context(tenant):
        _set(tenant, source, given, allowed_levels)
        source.save(force_insert=True)
        if not connector.is_upload:
            set_schedule(tenant, source.pk, schedule, is_paused=False)
        _record("source.created", tenant, actor, source)
    return source


def update_source(
    *,
    tenant: TenantLike,
    source_id: UUID,
    actor: User | str | None,
    allowed_levels: Sequence[str] | None = None,
    **changes: Any,
) -> Source:
    """`changes`: name, config, credentials (None: as they are), access_level, schedule,
    max_deleted_share, keep_days. Raises NotFound, InvalidRequest, PermissionDenied, Conflict."""
    with tenant_context(tenant):
        source = lock_source(source_id, allowed_levels)
        before = source.access_level
        wants_schedule = "schedule" in changes
        schedule = changes.pop("schedule", None)
        given = {key: value for key, value in changes.items() if value is not None}
        _set(tenant, source, given, allowed_levels)
        source.save()
        if wants_schedule:
            _reschedule(tenant, source, schedule)
        if source.access_level != before:
            _move_documents(tenant, source, before)
        _record("source.changed", tenant, actor, source, fields=sorted(given))
    return source


def pause_source(
    *,
    tenant: TenantLike,
    source_id: UUID,
    actor: User | str | None,
    allowed_levels: Sequence[str] | None = None,
) -> Source:
    return _pause(tenant, source_id, actor, allowed_levels, is_paused=True)


def resume_source(
    *,
    tenant: TenantLike,
    source_id: UUID,
    actor: User | str | None,
    allowed_levels: Sequence[str] | None = None,
) -> Source:
    return _pause(tenant, source_id, actor, allowed_levels, is_paused=False)


def delete_source(
    *,
    tenant: TenantLike,
    source_id: UUID,
    actor: User | str | None,
    allowed_levels: Sequence[str] | None = None,
) -> int:
    """With its documents, which leave the search at once. Returns how many there were.

    A run under way ends by itself. Raises NotFound, and Conflict for a source of uploads with files.
    """
    with tenant_context(tenant):
        source = lock_source(source_id, allowed_levels)
        documents = Document.objects.filter(source=source)
        count = documents.count()
        if connector_class(source.kind).is_upload and count:
            raise Conflict(
                f"{count} uploaded files are in this source: delete them first, then the source.",
                code="source_not_empty",
                extra={"documents": count},
            )
        ids = list(documents.values_list("pk", flat=True))
        for start in range(0, count, DELETE_SLICE):
            slice_ = ids[start : start + DELETE_SLICE]
            queue.remove_many(tenant, slice_)
            store.remove_chunks_of(tenant, slice_)
        SyncJob.objects.filter(tenant_id=tenant.id, source_id=source_id).delete()
        _schedules(tenant, source_id).delete()
        Document.every.filter(source=source).delete()
        _record("source.deleted", tenant, actor, source, documents=count)
        source.delete()
    return count


def _set(
    tenant: TenantLike,
    source: Source,
    changes: Mapping[str, Any],
    allowed_levels: Sequence[str] | None,
) -> None:
    unknown = set(changes) - set(_SETTERS) - {"access_level"}
    if unknown:
        raise InvalidRequest(f"A source has no {', '.join(sorted(unknown))}.")
    if "access_level" in changes or not source.access_level:
        level = changes.get("access_level") or ""
        allowed = tenant.access_levels if allowed_levels is None else allowed_levels
        check_access_level(tenant, level, allowed)
        source.access_level = level
    for name, value in changes.items():
        if name in _SETTERS:
            _SETTERS[name](tenant, source, value)


def _set_name(tenant: TenantLike, source: Source, value: Any) -> None:
    name = value.strip() if isinstance(value, str) else ""
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise _refusal("name", f"The name has 1 to {MAX_NAME} characters on one line.")
    if Source.objects.filter(name=name).exclude(pk=source.pk).exists():
        raise Conflict(
            f"There is a source named {name!r} already: choose another name.",
            code="name_taken",
            extra={"field": "name"},
        )
    source.name = name


def _set_config(tenant: TenantLike, source: Source, value: Any) -> None:
    if not isinstance(value, dict):
        raise _refusal("config", 'config is an object, such as {"url": "…"}.')
    source.config = connector_class(source.kind).clean_config(value, tenant_slug=tenant.slug)


def _set_credentials(tenant: TenantLike, source: Source, value: Any) -> None:
    fields = connector_class(source.kind).credential_fields
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise _refusal("credentials", "credentials is an object of texts.")
    unknown = set(value) - set(fields)
    if unknown:
        known = ", ".join(fields) or "no credentials at all"
        raise _refusal("credentials", f"A source of this kind takes {known}.")
    source.credentials_encrypted = seal_credentials(value)


def _set_share(tenant: TenantLike, source: Source, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise _refusal("max_deleted_share", "max_deleted_share is a number from 0 to 1.")
    source.max_deleted_share = float(value)


def _set_keep_days(tenant: TenantLike, source: Source, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_KEEP_DAYS:
        raise _refusal("keep_days", f"keep_days is a whole number from 0 to {MOST_KEEP_DAYS}.")
    source.keep_days = value


_SETTERS = {
    "name": _set_name,
    "config": _set_config,
    "credentials": _set_credentials,
    "max_deleted_share": _set_share,
    "keep_days": _set_keep_days,
}


def _reschedule(tenant: TenantLike, source: Source, wanted: Mapping[str, Any] | None) -> None:
    if connector_class(source.kind).is_upload:
        raise _refusal("schedule", "Uploaded files are indexed as they arrive: no schedule.")
    paused = _schedules(tenant, source.pk).filter(is_paused=True).exists()
    set_schedule(tenant, source.pk, wanted, is_paused=paused)


def _pause(
    tenant: TenantLike,
    source_id: UUID,
    actor: User | str | None,
    allowed_levels: Sequence[str] | None,
    *,
    is_paused: bool,
) -> Source:
    with tenant_context(tenant):
        source = lock_source(source_id, allowed_levels)
        if connector_class(source.kind).is_upload:
            raise Conflict("Uploaded files have no schedule.", code="not_scheduled")
        schedule = _schedules(tenant, source_id).first()
        if schedule is None:  # imported from another installation
            set_schedule(tenant, source_id, None, is_paused=is_paused)
        else:
            schedule.is_paused = is_paused
            schedule.next_run_at = next_run_at(schedule, timezone.now())
            schedule.save(update_fields=["is_paused", "next_run_at"])
        _record("source.paused" if is_paused else "source.resumed", tenant, actor, source)
    return source


def _move_documents(tenant: TenantLike, source: Source, before: str) -> None:
    """Those that still have the source's level; one that was moved by hand stays where it is."""
    documents = Document.every.filter(source=source, access_level=before)
    ids = list(documents.filter(removed_at=None).values_list("pk", flat=True))
    store.set_access_levels(tenant, ids, source.access_level)
    documents.update(access_level=source.access_level)


def _schedules(tenant: TenantLike, source_id: UUID) -> QuerySet[SyncSchedule]:
    return SyncSchedule.objects.filter(tenant_id=tenant.id, source_id=source_id)


def lock_source(source_id: UUID, allowed_levels: Sequence[str] | None) -> Source:
    """Until the transaction ends. Raises NotFound, also for one out of sight."""
    found = Source.objects.select_for_update().filter(pk=source_id).first()
    if found is None or not may_see(found, allowed_levels):
        raise NotFound("There is no such source, or you may not see it.")
    return found


def may_see(source: Source, allowed_levels: Sequence[str] | None) -> bool:
    """None: whoever works on the machine itself."""
    return allowed_levels is None or source.access_level in ("", *allowed_levels)


def _record(
    action: str, tenant: TenantLike, actor: User | str | None, source: Source, **detail: Any
) -> None:
    """Names and ids; what the source is called is the tenant's own."""
    target = str(source.pk)
    record_event(action, actor=actor, tenant=tenant, target=target, kind=source.kind, **detail)


def _refusal(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, extra={"field": field})

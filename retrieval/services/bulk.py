"""One action on many documents: try again, delete, move to another access level.

In slices, each a few statements in a transaction of its own with its audit event, so that readers
and workers get in between. A call that runs out of time tells how many are left and can be made
again: what is done does not match any more.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, Q, Sum
from django.db.models.functions import Now

from ragadmin.errors import InvalidRequest
from retrieval import tasks
from retrieval.connectors.upload import UploadConnector
from retrieval.indexing import files, queue, store
from retrieval.models import Document
from retrieval.selectors import filter_documents, visible_documents
from retrieval.services.documents import check_access_level, synced_message
from tenants.audit import record_event
from tenants.context import tenant_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from django.db.models import QuerySet

    from tenants.context import TenantLike
    from tenants.models import User


MAX_IDS = 1_000
# Of one transaction: it holds up the tenant's other writers while it lasts.
MAX_DOCUMENTS = 1_000
MAX_CHUNKS = 5_000
# Of one call, so that no proxy gives up on the answer.
SECONDS = 20
# Of the documents that match a filter and were refused, so many are named.
MAX_NAMED = 100
FILTERS = ("status", "source", "access_level", "error_code", "q")


class Action(StrEnum):
    RETRY = "retry"
    DELETE = "delete"
    SET_ACCESS_LEVEL = "set_access_level"


@dataclass(frozen=True, slots=True)
class Selection:
    """These documents, or all that match a filter: never one that the caller may not see."""

    access_levels: Sequence[str]
    ids: Sequence[UUID] | None = None
    wanted: Mapping[str, str] = field(default_factory=dict[str, str])

    def documents(self) -> QuerySet[Document]:
        """The tenant is in force. Raises InvalidRequest."""
        found = filter_documents(visible_documents(self.access_levels), self.wanted)
        return found if self.ids is None else found.filter(pk__in=self.ids)


@dataclass(frozen=True, slots=True)
class Weight:
    """What an action would mean. It is not for the `others` that were selected."""

    documents: int
    passages: int
    others: int


@dataclass(frozen=True, slots=True)
class Refusal:
    id: UUID
    code: str
    message: str

    def as_json(self) -> dict[str, str]:
        return {"id": str(self.id), "code": self.code, "message": self.message}


@dataclass(frozen=True, slots=True)
class Outcome:
    """`refused` names the first of `refused_count`; `left` could not be done in the time."""

    done: int
    refused: list[Refusal]
    refused_count: int
    left: int


@dataclass(frozen=True, slots=True)
class _Task:
    action: Action
    tenant: TenantLike
    selection: Selection
    actor: User | str | None
    access_level: str

    def open_documents(self) -> QuerySet[Document]:
        """Those that the action is for and was not done to yet."""
        found = self.selection.documents().filter(_fits(self.action))
        return found.exclude(access_level=self.access_level)


def weigh(selection: Selection, action: Action, access_level: str = "") -> Weight:
    """The tenant is in force."""
    fits = _fits(action) & ~Q(access_level=access_level)
    row = (
        selection.documents()
        .order_by()
        .aggregate(
            documents=Count("pk", filter=fits),
            passages=Sum("chunk_count", filter=fits, default=0),
            every=Count("pk"),
        )
    )
    return Weight(row["documents"], row["passages"], row["every"] - row["documents"])


def change_documents(
    action: Action,
    *,
    tenant: TenantLike,
    selection: Selection,
    actor: User | str | None,
    access_level: str = "",
    seconds: float = SECONDS,
) -> Outcome:
    """Outside of any transaction. Raises InvalidRequest, PermissionDenied."""
    if selection.ids is not None and len(selection.ids) > MAX_IDS:
        raise InvalidRequest(
            f"{len(selection.ids)} ids are too many: send {MAX_IDS} at most, or a filter.",
            extra={"field": "ids"},
        )
    if action is Action.SET_ACCESS_LEVEL:
        check_access_level(tenant, access_level, selection.access_levels)
    with tenant_context(tenant):
        refused, refused_count = _refuse(selection, action)
    task = _Task(action, tenant, selection, actor, access_level)
    end, done = time.monotonic() + seconds, 0
    for count in _slices(task):
        done += count
        if time.monotonic() > end:
            break
    with tenant_context(tenant):
        left = task.open_documents().count()
    return Outcome(done, refused, refused_count, left)


def _slices(task: _Task) -> Iterator[int]:
    """How many were done, slice by slice. None is done twice, also if it failed again meanwhile."""
    after = UUID(int=0)
    while True:
        with tenant_context(task.tenant):
            documents = _lock_some(task, after)
            if not documents:
                return
            _APPLY[task.action](task, documents)
            _record(task, documents)
        after = documents[-1]
        yield len(documents)


def _lock_some(task: _Task, after: UUID) -> list[UUID]:
    found = task.open_documents().filter(pk__gt=after).order_by("pk")
    rows = found.select_for_update(of=("self",))
    chosen: list[UUID] = []
    chunks = 0
    for pk, chunk_count in rows.values_list("pk", "chunk_count")[:MAX_DOCUMENTS]:
        chunks += chunk_count
        if chosen and chunks > MAX_CHUNKS:
            break
        chosen.append(pk)
    return chosen


def _retry(task: _Task, ids: list[UUID]) -> None:
    Document.objects.filter(pk__in=ids).update(
        status=Document.Status.QUEUED, stage="", error_code="", error_message="", updated_at=Now()
    )
    queue.enqueue_many(task.tenant, ids)
    transaction.on_commit(tasks.hint)


def _delete(task: _Task, ids: list[UUID]) -> None:
    queue.remove_many(task.tenant, ids)
    store.remove_chunks_of(task.tenant, ids)
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM retrieval_document WHERE tenant_id = %s AND id = ANY(%s)"
            " RETURNING storage_key",
            [task.tenant.id, ids],
        )
        keys = [key for (key,) in cursor.fetchall() if key]
    transaction.on_commit(lambda: [files.delete_file(key) for key in keys])


def _set_access_level(task: _Task, ids: list[UUID]) -> None:
    """With its text, also where newer text is still to come: it is the document that is moved."""
    Document.objects.filter(pk__in=ids).update(access_level=task.access_level, updated_at=Now())
    store.set_access_levels(task.tenant, ids, task.access_level)


_APPLY: dict[Action, Callable[[_Task, list[UUID]], None]] = {
    Action.RETRY: _retry,
    Action.DELETE: _delete,
    Action.SET_ACCESS_LEVEL: _set_access_level,
}
_EVENTS = {
    Action.RETRY: "documents.retried",
    Action.DELETE: "documents.deleted",
    Action.SET_ACCESS_LEVEL: "documents.moved",
}


def _record(task: _Task, ids: list[UUID]) -> None:
    levels = {"access_level": task.access_level} if task.access_level else {}
    record_event(
        _EVENTS[task.action],
        actor=task.actor,
        tenant=task.tenant,
        target=str(ids[0]) if len(ids) == 1 else f"{len(ids)} documents",
        documents=len(ids),
        **levels,
    )


def _fits(action: Action) -> Q:
    """Which documents the action is for."""
    if action is Action.RETRY:
        return Q(status=Document.Status.FAILED)
    if action is Action.DELETE:
        return Q(source__kind=UploadConnector.kind)
    return Q(pk__isnull=False)


def _refuse(selection: Selection, action: Action) -> tuple[list[Refusal], int]:
    """Asked for by id, and not there or not of a kind that the action is for.

    A filter asks for what it matches: of that, only what a source brings is refused, not what does
    not need the action.
    """
    if selection.ids is None and action is not Action.DELETE:
        return [], 0
    unfit = selection.documents().exclude(_fits(action)).select_related("source").order_by("pk")
    most = MAX_NAMED if selection.ids is None else MAX_IDS
    rows = unfit.only("status", "source__name")[:most]
    named = [_refusal(document, action) for document in rows]
    if selection.ids is None:
        return named, unfit.count()
    seen = set(selection.documents().values_list("pk", flat=True))
    gone = [
        Refusal(each, "not_found", "There is no document with this id, or you may not see it.")
        for each in dict.fromkeys(selection.ids)
        if each not in seen
    ]
    return [*named, *gone], unfit.count() + len(gone)


def _refusal(document: Document, action: Action) -> Refusal:
    if action is Action.DELETE:
        return Refusal(document.pk, "synced", synced_message(document.source.name))
    said = f"Only a failed document can be tried again; this one is {document.status}."
    return Refusal(document.pk, "not_failed", said)

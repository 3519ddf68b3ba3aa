"""Doors where the canary's ids come in the body of a request: they stand in no address, so that the
routes themselves (route_doors) do not try them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from retrieval.canaries.calls import call_api
from retrieval.canaries.cast import Attempt, Cast  # noqa: TC001 - the door's signature
from retrieval.canaries.doors import NOTHING, Sight, door
from retrieval.canaries.route_doors import API, PAGES
from retrieval.models import Document, GoldenQuestion
from tenants.context import tenant_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from retrieval.canaries.calls import Reply

BULK = "/api/v1/documents/bulk/"


@door(API, "Ids in a request to change many documents", shows_own=False, every_pair=False)
def change_many_by_api(cast: Cast, attempt: Attempt) -> Sight:
    """POST /api/v1/documents/bulk/ with the visitor's own key and the canary's ids, to delete the
    documents and to move them to each of the visitor's access levels."""
    sight = NOTHING
    for change in _changes(attempt):
        body = change | {"ids": list(attempt.target.document_ids)}
        sight += _try(attempt, partial(call_api, "POST", BULK, attempt.visitor.key, body))
    return sight


@door(PAGES, "Ids in a form that changes many documents", shows_own=False, every_pair=False)
def change_many_by_page(cast: Cast, attempt: Attempt) -> Sight:
    """The same with the visitor's browser session, below the visitor's own address."""
    path = f"/t/{attempt.visitor.tenant.slug}/documents/bulk/"
    sight = NOTHING
    for change in _changes(attempt):
        form = change | {"id": list(attempt.target.document_ids)}
        # First the question, which may name documents, then the deed.
        for answer in ({}, {"confirmed": "1"}):
            call = partial(attempt.visitor.browser.call, "POST", path, form=form | answer)
            sight += _try(attempt, call)
    return sight


def _changes(attempt: Attempt) -> Iterator[dict[str, Any]]:
    for level in attempt.visitor.levels:
        yield {"action": "set_access_level", "access_level": level}
    yield {"action": "delete"}


def _try(attempt: Attempt, request: Callable[[], Reply]) -> Sight:
    """What the answer shows, and whether the documents are still as they were."""
    before = _levels(attempt)
    reply = request()
    if reply.status >= 400 and not reply.is_refused:
        return Sight(reply.text, broken=f"It said {reply.status}.")
    is_changed = _levels(attempt) != before
    return Sight(reply.text, granted="A document was moved or deleted." if is_changed else "")


def _levels(attempt: Attempt) -> dict[UUID, str]:
    with tenant_context(attempt.target.tenant):
        found = Document.objects.filter(pk__in=attempt.target.document_ids)
        return dict(found.values_list("pk", "access_level"))


@door(PAGES, "Ids in a form that deletes golden questions", shows_own=False, every_pair=False)
def delete_golden_by_page(cast: Cast, attempt: Attempt) -> Sight:
    """POST golden-questions/delete/ with the visitor's browser session, below the visitor's own
    address, with the canary's id."""
    path = f"/t/{attempt.visitor.tenant.slug}/golden-questions/delete/"
    form = {"id": attempt.target.ids["question_id"]}
    sight = NOTHING
    for answer in ({}, {"agreed": "yes"}):
        reply = attempt.visitor.browser.call("POST", path, form=form | answer)
        with tenant_context(attempt.target.tenant):
            is_there = GoldenQuestion.objects.filter(id=form["id"]).exists()
        sight += Sight(reply.text, granted="" if is_there else "A golden question was deleted.")
    return sight

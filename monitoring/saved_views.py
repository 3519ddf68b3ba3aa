"""Filters of a list that somebody keeps under a name: theirs alone, in one tenant."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitoring.models import SavedView
from ragadmin.errors import ConfigurationError, Conflict, InvalidRequest, NotFound
from tenants.secrets import decrypt, encrypt

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet

MOST_VIEWS = 30
LONGEST_NAME = 60
LONGEST_QUERY = 2_000


@dataclass(frozen=True, slots=True)
class Shelf:
    """Whose views, and of which page."""

    tenant_id: int
    user_id: int
    page: str

    @property
    def rows(self) -> QuerySet[SavedView]:
        return SavedView.objects.filter(
            tenant_id=self.tenant_id, user_id=self.user_id, page=self.page
        )


@dataclass(frozen=True, slots=True)
class NamedView:
    id: UUID
    name: str
    query: str


def list_views(shelf: Shelf) -> list[NamedView]:
    """By name. What another secret key has encrypted cannot be read, and is left out."""
    found = (_read(row) for row in shelf.rows.order_by("created_at")[:MOST_VIEWS])
    return sorted((view for view in found if view), key=lambda view: view.name.casefold())


def save_view(shelf: Shelf, name: str, query: str) -> None:
    """A view of the same name is replaced. Raises InvalidRequest, Conflict."""
    name = _clean(name)
    if not query:
        raise InvalidRequest("Filter the list first: a view keeps the filters in use.")
    if len(query) > LONGEST_QUERY:
        raise InvalidRequest("These filters are too long to be kept: shorten the words.")
    same = next((view for view in list_views(shelf) if view.name == name), None)
    content = _content(name, query)
    if same:
        shelf.rows.filter(pk=same.id).update(content_encrypted=content)
        return
    if shelf.rows.count() >= MOST_VIEWS:
        raise Conflict(f"You have {MOST_VIEWS} views here, which is the most: delete one first.")
    SavedView.objects.create(
        tenant_id=shelf.tenant_id,
        user_id=shelf.user_id,
        page=shelf.page,
        content_encrypted=content,
    )


def rename_view(shelf: Shelf, view_id: UUID, name: str) -> None:
    """Raises InvalidRequest, Conflict, NotFound."""
    name, views = _clean(name), list_views(shelf)
    view = next((view for view in views if view.id == view_id), None)
    if view is None:
        raise NotFound("There is no such view any more.")
    if any(other.name == name and other.id != view_id for other in views):
        raise Conflict(f"There is a view named {name} already.")
    shelf.rows.filter(pk=view_id).update(content_encrypted=_content(name, view.query))


def delete_view(shelf: Shelf, view_id: UUID) -> None:
    shelf.rows.filter(pk=view_id).delete()


def _clean(name: str) -> str:
    name = " ".join(name.replace("\x00", "").split())
    if not name or len(name) > LONGEST_NAME:
        raise InvalidRequest(f"Give the view a name of 1 to {LONGEST_NAME} characters.")
    return name


def _content(name: str, query: str) -> str:
    return encrypt(json.dumps({"name": name, "query": query}))


def _read(row: SavedView) -> NamedView | None:
    try:
        content = json.loads(decrypt(row.content_encrypted))
    except ConfigurationError:
        return None
    return NamedView(row.pk, content["name"], content["query"])

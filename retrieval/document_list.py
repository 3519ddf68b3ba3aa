"""Pages of the documents that match, and how many there are of which kind.

The counts and the ids of a page come from an index alone and the rows of one page only are read, so
that 100,000 documents are listed as quickly as a hundred. Only a search for words looks at each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.core.paginator import Paginator
from django.db.models import Count, Window

from retrieval.models import Document

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from django.core.paginator import Page
    from django.db.models import QuerySet

# What the list can be sorted by, and the column behind it. A leading "-" turns the order round.
SORTS = {
    "updated": "updated_at",
    "path": "path",
    "size": "size_bytes",
    "chunks": "chunk_count",
}
NEWEST_FIRST = "-updated"
# What a page number may be without the database refusing to pass over so many rows.
FAR = 10_000_000
SHOWN = (
    "path",
    "title",
    "access_level",
    "status",
    "stage",
    "error_code",
    "error_message",
    "size_bytes",
    "chunk_count",
    "updated_at",
    "source__name",
    "source__kind",
    "source__access_level",
)


@dataclass(frozen=True, slots=True)
class Group:
    """Documents that have these in common."""

    status: str
    access_level: str
    source: str
    error_code: str
    documents: int

    def matches(self, wanted: Mapping[str, str]) -> bool:
        return all(not value or getattr(self, name) == value for name, value in wanted.items())


@dataclass(frozen=True, slots=True)
class Counts:
    groups: Sequence[Group]

    def count(self, **wanted: str) -> int:
        return sum(group.documents for group in self.groups if group.matches(wanted))

    def by(self, name: str, **wanted: str) -> dict[str, int]:
        """How many there are of each, the most first."""
        found: dict[str, int] = {}
        for group in self.groups:
            if group.matches(wanted):
                value = getattr(group, name)
                found[value] = found.get(value, 0) + group.documents
        return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def count_documents(access_levels: Sequence[str]) -> Counts:
    """Of all that the caller may see."""
    rows = (
        Document.objects.filter(access_level__in=access_levels)
        .order_by()
        .values_list("status", "access_level", "source_id", "error_code")
        .annotate(documents=Count("pk"))
    )
    return Counts([Group(row[0], row[1], str(row[2]), row[3], row[4]) for row in rows])


def find_page(
    documents: QuerySet[Document], *, sort: str, number: str, size: int, count: int | None
) -> Page:
    """`count` of all that match, where it is known. Otherwise it is found with the page."""
    listing = _Listing(documents, sort, count)
    if count is None:
        listing.read_ahead(_as_number(number), size)
    return Paginator(listing, size).get_page(number)


class _Listing:
    """What Django's paginator takes pages from."""

    ordered = True

    def __init__(self, documents: QuerySet[Document], sort: str, count: int | None) -> None:
        self._documents = documents
        self._count = count
        self._ids: tuple[slice, list[UUID]] | None = None
        column = SORTS[sort.removeprefix("-")]
        self._forward = _order(column, descending=sort.startswith("-"))
        self._backward = _order(column, descending=not sort.startswith("-"))

    def count(self) -> int:
        if self._count is None:
            self._count = self._documents.order_by().count()
        return self._count

    def __len__(self) -> int:
        return self.count()

    def __getitem__(self, wanted: slice) -> list[Document]:
        known = self._ids and (self._ids[0].start, self._ids[0].stop) == (wanted.start, wanted.stop)
        ids = self._ids[1] if self._ids and known else self._find(wanted)
        return _read(ids)

    def read_ahead(self, number: int, size: int) -> None:
        """Words are looked for once: for the page and the count together."""
        wanted = slice((number - 1) * size, number * size)
        every = self._documents.order_by(*self._forward)
        counted = every.annotate(matching=Window(Count("pk"))).values_list("pk", "matching")
        rows = list(counted[wanted])
        if rows or number == 1:
            self._count = rows[0][1] if rows else 0
            stop = min(wanted.stop, self._count)
            self._ids = (slice(wanted.start, stop), [row[0] for row in rows])

    def _find(self, wanted: slice) -> list[UUID]:
        """From the end that is nearer, since what stands before a page has to be passed over."""
        count = self.count()
        if wanted.start <= count // 2:
            return self._ids_of(self._forward, wanted.start, wanted.stop)
        last = max(count - wanted.stop, 0)
        return self._ids_of(self._backward, last, count - wanted.start)[::-1]

    def _ids_of(self, order: Iterable[str], start: int, stop: int) -> list[UUID]:
        return list(self._documents.order_by(*order).values_list("pk", flat=True)[start:stop])


def _order(column: str, *, descending: bool) -> tuple[str, str]:
    sign = "-" if descending else ""
    return f"{sign}{column}", f"{sign}pk"


def _read(ids: Sequence[UUID]) -> list[Document]:
    rows = Document.objects.filter(pk__in=ids).select_related("source").only(*SHOWN)
    found = {row.pk: row for row in rows}
    return [found[each] for each in ids if each in found]


def _as_number(number: str) -> int:
    return int(number) if number.isascii() and number.isdigit() and 0 < int(number) < FAR else 1

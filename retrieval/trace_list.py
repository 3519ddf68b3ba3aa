"""A page of the traces that match, and figures of the newest of them. Nothing counts a million rows."""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db.models import Q

from ragadmin.errors import InvalidRequest
from retrieval.models import QueryTrace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from django.db.models import QuerySet

ON_A_PAGE = 25
# Of the matches the newest so many are counted and summed up.
MOST_COUNTED = 1_000
# What may be chosen from is taken from so many.
OFFERED_OF = 300
NEWEST_FIRST, OLDEST_FIRST = ("-created_at", "-id"), ("created_at", "id")
FIGURES = ("pk", "duration_ms", "total_cost_usd", "cache", "rating", "status", "is_simulated")
LISTED = (
    "question", "asked_by", "status", "error_code", "model", "tier", "cache", "rating", "duration_ms",
    "total_cost_usd", "similarity_avg", "abstained", "is_simulated", "created_at",
)  # fmt: skip
CURSORS = {"before", "after"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the list: of the trace beside the page, newer or older."""

    created_at: datetime
    trace_id: uuid.UUID

    @classmethod
    def of(cls, trace: QueryTrace) -> Cursor:
        return cls(trace.created_at, trace.pk)

    def __str__(self) -> str:
        return f"{(self.created_at - _EPOCH) // _MICROSECOND}_{self.trace_id.hex}"


def read_cursor(text: str) -> Cursor:
    """Raises InvalidRequest."""
    try:
        moment, _, trace_id = text.partition("_")
        return Cursor(_EPOCH + int(moment) * _MICROSECOND, uuid.UUID(trace_id))
    except (ValueError, OverflowError):
        raise InvalidRequest("There is no such page: begin with the newest.") from None


@dataclass(frozen=True, slots=True)
class TracePage:
    """`newer` and `older` are cursors of the pages beside it, or empty."""

    traces: list[QueryTrace]
    newer: str = ""
    older: str = ""


def read_page(
    found: QuerySet[QueryTrace], query: Mapping[str, Any], size: int = ON_A_PAGE
) -> TracePage:
    """By `before` or `after` in the query, else the newest. Raises InvalidRequest."""
    if after := query.get("after", ""):
        return _newer(found, read_cursor(after), size)
    before = query.get("before", "")
    if before:
        found = found.filter(older_than(read_cursor(before)))
    rows = _read_first(found, NEWEST_FIRST, size + 1)
    page = rows[:size]
    newer = str(Cursor.of(page[0])) if before and page else ""
    return TracePage(page, newer, str(Cursor.of(page[-1])) if len(rows) > size else "")


def _newer(found: QuerySet[QueryTrace], cursor: Cursor, size: int) -> TracePage:
    rows = _read_first(found.filter(newer_than(cursor)), OLDEST_FIRST, size + 1)
    page = rows[:size][::-1]
    if not page:
        return read_page(found, {}, size)
    newer = str(Cursor.of(page[0])) if len(rows) > size else ""
    return TracePage(page, newer, str(Cursor.of(page[-1])))


def _read_first(
    found: QuerySet[QueryTrace], order: tuple[str, ...], count: int
) -> list[QueryTrace]:
    ids = _first_ids(found, order)[:count]
    return list(found.filter(pk__in=ids).order_by(*order)) if ids else []


def _first_ids(found: QuerySet[QueryTrace], order: tuple[str, ...]) -> list[uuid.UUID]:
    """Asked for a few of them, Postgres walks along the time, and to its end where there are not so
    many. Asked for many, it looks up what is rare."""
    return list(found.order_by(*order).values_list("pk", flat=True)[: MOST_COUNTED + 1])


def older_than(cursor: Cursor) -> Q:
    """The first part is what an index begins at."""
    at = cursor.created_at
    return Q(created_at__lte=at) & (Q(created_at__lt=at) | Q(id__lt=cursor.trace_id))


def newer_than(cursor: Cursor) -> Q:
    at = cursor.created_at
    return Q(created_at__gte=at) & (Q(created_at__gt=at) | Q(id__gt=cursor.trace_id))


@dataclass(frozen=True, slots=True)
class TraceFigures:
    """Of the newest matches, at most MOST_COUNTED; `has_more`: there are others. Costs in US dollars,
    of calls whose price is known; `unpriced` answers had others. As monitoring.intake books them."""

    questions: int
    has_more: bool
    p50_ms: float | None
    p95_ms: float | None
    cost_usd: Decimal
    unpriced: int
    cached: int
    thumbs_down: int
    rated: int
    errors: int
    simulated: int

    def percent(self, part: int) -> float:
        return 100 * part / self.questions if self.questions else 0.0

    @property
    def cached_percent(self) -> float:
        return self.percent(self.cached)


def read_figures(found: QuerySet[QueryTrace]) -> tuple[TraceFigures, list[uuid.UUID]]:
    """And the ids of the newest, in order."""
    rows = list(found.order_by(*NEWEST_FIRST).values(*FIGURES)[: MOST_COUNTED + 1])
    counted = rows[:MOST_COUNTED]
    lacking = [row for row in counted if row["total_cost_usd"] is None]
    known, unpriced = _read_lacking(found.model.objects.all(), lacking)
    figures = _sum_up(counted, known, unpriced, has_more=len(rows) > MOST_COUNTED)
    return figures, [row["pk"] for row in rows]


def _sum_up(
    rows: Sequence[Mapping[str, Any]], known: Decimal, unpriced: int, *, has_more: bool
) -> TraceFigures:
    took = sorted(row["duration_ms"] for row in rows if row["duration_ms"] is not None)
    priced = [row["total_cost_usd"] for row in rows if row["total_cost_usd"] is not None]
    return TraceFigures(
        questions=len(rows),
        has_more=has_more,
        p50_ms=_percentile(took, 0.5),
        p95_ms=_percentile(took, 0.95),
        cost_usd=sum(priced, known),
        unpriced=unpriced,
        cached=sum(row["cache"] != "none" for row in rows),
        thumbs_down=sum(row["rating"] == "down" for row in rows),
        rated=sum(bool(row["rating"]) for row in rows),
        errors=sum(row["status"] == QueryTrace.Status.FAILED for row in rows),
        simulated=sum(row["is_simulated"] for row in rows),
    )


def _read_lacking(
    traces: QuerySet[QueryTrace], rows: Iterable[Mapping[str, Any]]
) -> tuple[Decimal, int]:
    """Of those without a total: what is known of it, and how many lack a price. One that failed lacks
    none, unless a call of it does."""
    ended = {row["pk"]: row["status"] for row in rows if row["status"] != QueryTrace.Status.RUNNING}
    known, unpriced = Decimal(0), 0
    found = traces.filter(pk__in=ended).values_list("pk", "calls") if ended else ()
    for pk, calls in found:
        costs = [call["cost_usd"] for call in calls]
        known += sum((Decimal(cost) for cost in costs if cost is not None), Decimal(0))
        unpriced += ended[pk] != QueryTrace.Status.FAILED or None in costs
    return known, unpriced


def _percentile(ordered: Sequence[float], share: float) -> float | None:
    """The least value that so large a share does not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def read_newest(
    found: QuerySet[QueryTrace], newest: Sequence[uuid.UUID], size: int = ON_A_PAGE
) -> TracePage:
    """The first page, where `newest` has said which they are: they are not looked for again."""
    rows = list(
        found.model.objects.filter(pk__in=newest[:size]).only(*LISTED).order_by(*NEWEST_FIRST)
    )
    older = str(Cursor.of(rows[-1])) if rows and len(newest) > size else ""
    return TracePage(rows, "", older)


def neighbours(
    found: QuerySet[QueryTrace], trace: QueryTrace
) -> tuple[uuid.UUID | None, uuid.UUID | None]:
    """Ids of the next newer and the next older one."""
    here = Cursor.of(trace)
    newer = _first_ids(found.filter(newer_than(here)), OLDEST_FIRST)
    older = _first_ids(found.filter(older_than(here)), NEWEST_FIRST)
    return next(iter(newer), None), next(iter(older), None)


def offered_values(visible: QuerySet[QueryTrace]) -> dict[str, list[str]]:
    """What the newest traces have, to choose from."""
    names = ("model", "error_code", "asked_by")
    rows = list(visible.order_by(*NEWEST_FIRST).values(*names)[:OFFERED_OF])
    return {name: sorted({row[name] for row in rows} - {""}) for name in names}

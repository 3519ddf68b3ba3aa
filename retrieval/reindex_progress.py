"""How far a tenant's documents are indexed anew, for the page that shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.indexing.left import behind, failing, with_text
from retrieval.indexing.place_in_line import finish_estimate
from retrieval.models import Document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenants.models import Tenant

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Progress:
    """`failing` documents are left when all others are done; `shown` are those one may see."""

    done: int
    total: int
    failing: int
    shown: list[Document]
    documents_a_minute: float
    seconds_left: float | None

    @property
    def left(self) -> int:
        return self.total - self.done

    @property
    def time_left(self) -> str:
        minutes = round((self.seconds_left or 0) / 60)
        if minutes < 1:
            return "a minute"
        return f"{minutes} minutes" if minutes < 120 else f"{round(minutes / 60)} hours"

    @property
    def only_failing_left(self) -> bool:
        return 0 < self.left <= self.failing

    @property
    def is_complete(self) -> bool:
        return self.left == 0

    @property
    def not_shown(self) -> int:
        return self.failing - len(self.shown)


def reindex_progress(tenant: Tenant, access_levels: Sequence[str]) -> Progress:
    """The tenant is in force, and a generation is being made."""
    total, left = with_text().count(), behind(tenant).count()
    failed = failing(tenant)
    shown = Document.objects.filter(pk__in=failed, access_level__in=access_levels)
    pace = finish_estimate(tenant).documents_a_minute
    working = max(left - len(failed), 0)
    return Progress(
        done=max(total - left, 0),
        total=total,
        failing=len(failed),
        shown=list(shown.defer("markdown", "kept_chunks").order_by("path")[:SHOWN]),
        documents_a_minute=pace,
        seconds_left=60 * working / pace if pace and working else None,
    )

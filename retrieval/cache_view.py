"""What the caches of a tenant hold and did in the last days, and how often a hit was wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.utils import timezone

from retrieval.cache_figures import false_hits
from retrieval.models import CacheEntry

if TYPE_CHECKING:
    from decimal import Decimal

    from retrieval.cache_figures import FalseHits
    from tenants.models import Tenant

DAYS = 30
TRACES = """
SELECT count(*) AS questions,
    count(*) FILTER (WHERE cache = 'exact') AS exact,
    count(*) FILTER (WHERE cache = 'semantic') AS semantic,
    count(*) FILTER (WHERE cache = 'llm') AS llm,
    coalesce(sum((saved->>'cache')::numeric), 0) AS saved_usd,
    coalesce(sum((saved->>'embedding')::numeric), 0) AS embedding_saved_usd
FROM retrieval_querytrace
WHERE tenant_id = %s AND created_at >= %s AND status = 'succeeded'
"""


@dataclass(frozen=True, slots=True)
class CacheFigures:
    """Of the last DAYS days; `entries` of now, `wrong_hits` of the newest that were checked."""

    entries: int
    questions: int
    exact: int
    semantic: int
    llm: int
    saved_usd: Decimal
    embedding_saved_usd: Decimal
    wrong_hits: str

    def share(self, count: int) -> str:
        return f"{count / self.questions:.0%}" if self.questions else ""

    @property
    def layers(self) -> list[tuple[str, str, int, str]]:
        """Name, what it is, hits, share of the questions."""
        rows = (
            ("Same words", "served from Redis, proven in Postgres", self.exact),
            ("Same meaning", "near in meaning, through the guards, and proven", self.semantic),
            ("Model cache", "the same prompt, so the model was not asked again", self.llm),
        )
        return [(name, about, count, self.share(count)) for name, about, count in rows]


def cache_figures(tenant: Tenant) -> CacheFigures:
    since = timezone.now() - timedelta(days=DAYS)
    with connection.cursor() as cursor:
        cursor.execute(TRACES, [tenant.pk, since])
        names = [column.name for column in cursor.description or ()]
        found: dict[str, Any] = dict(zip(names, cursor.fetchone() or (), strict=True))
    wrong = describe_false_hits(false_hits(tenant))
    return CacheFigures(entries=live_entries(), wrong_hits=wrong, **found)


def live_entries() -> int:
    """Of the tenant in force."""
    return CacheEntry.objects.filter(evicted_at=None, expires_at__gt=timezone.now()).count()


def describe_false_hits(found: FalseHits) -> str:
    if found.rate is None:
        return "no hit was checked yet"
    return (
        f"{found.rate:.1%} ({found.wrong} of {found.samples} checked), "
        f"with 95 % certainty between {found.low:.1%} and {found.high:.1%}"
    )

"""What the caches of a tenant hold and did in the last days, and how often a hit was wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.utils import timezone

from retrieval.models import CacheEntry

if TYPE_CHECKING:
    from decimal import Decimal

    from tenants.models import Tenant

DAYS = 30
# Of the normal distribution, for an interval that holds the true share 95 times in 100.
Z = 1.96
TRACES = """
SELECT count(*) AS questions,
    count(*) FILTER (WHERE cache = 'exact') AS exact,
    count(*) FILTER (WHERE cache = 'semantic') AS semantic,
    count(*) FILTER (WHERE cache = 'llm') AS llm,
    coalesce(sum((saved->>'cache')::numeric), 0) AS saved_usd,
    coalesce(sum((saved->>'embedding')::numeric), 0) AS embedding_saved_usd,
    count(*) FILTER (WHERE shadow_verdict = 'same') AS same,
    count(*) FILTER (WHERE shadow_verdict = 'different') AS different
FROM retrieval_querytrace
WHERE tenant_id = %s AND created_at >= %s AND status = 'succeeded'
"""


@dataclass(frozen=True, slots=True)
class FalseHits:
    """Of the hits that were answered in full as well, those whose answers differed."""

    checked: int
    wrong: int

    @property
    def rate(self) -> float | None:
        return self.wrong / self.checked if self.checked else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's score interval at 95 %, which holds for few checks too (Wilson, 1927)."""
        return wilson(self.wrong, self.checked) if self.checked else None

    @property
    def described(self) -> str:
        if self.interval is None:
            return "no hit was checked yet"
        low, high = self.interval
        return (
            f"{self.wrong / self.checked:.1%} ({self.wrong} of {self.checked} checked), "
            f"with 95 % certainty between {low:.1%} and {high:.1%}"
        )


@dataclass(frozen=True, slots=True)
class CacheFigures:
    """Of the last DAYS days; `entries` of now."""

    entries: int
    questions: int
    exact: int
    semantic: int
    llm: int
    saved_usd: Decimal
    embedding_saved_usd: Decimal
    false_hits: FalseHits

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
    same, different = found.pop("same"), found.pop("different")
    return CacheFigures(
        entries=live_entries(), false_hits=FalseHits(same + different, different), **found
    )


def live_entries() -> int:
    """Of the tenant in force."""
    return CacheEntry.objects.filter(evicted_at=None, expires_at__gt=timezone.now()).count()


def wilson(wrong: int, checked: int) -> tuple[float, float]:
    share, squared = wrong / checked, Z * Z
    middle = share + squared / (2 * checked)
    spread = Z * math.sqrt(share * (1 - share) / checked + squared / (4 * checked * checked))
    whole = 1 + squared / checked
    return max((middle - spread) / whole, 0.0), min((middle + spread) / whole, 1.0)

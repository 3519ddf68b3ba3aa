"""Ledger rows added up in the database to the finest groups: five minutes, a tenant's hour and day,
model and layer of the cache; and for spending an hour, component, provider and model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from monitoring.histograms import GROWTH, LEAST, ZERO
from monitoring.sums import COUNTS, HISTOGRAMS
from retrieval.events import PAID_APART
from retrieval.query.pricing import COMPONENT
from tenants.models import Tenant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# A tenth of a cent's millionth, and of a similarity four places: as many as the columns have.
NANO, TEN_THOUSANDTH = 10**9, 10**4
USD = ("cost_usd", "saved_cache_usd", "saved_routing_usd", "saved_compression_usd")
VALUES = {"latency": "duration_ms", "first_token": "first_token_ms", "similarity": "similarity_avg"}
LEDGER_COUNTS = tuple(name for name in COUNTS if name != "similarity_count")
USAGE_SUMS = (*LEDGER_COUNTS, *USD, "similarity_sum", "similarity_count")
# What usage is added up to: what the rows hold, and what is only in those that compare tenants.
DELTA_SUMS = (*USAGE_SUMS, "hits")
SPENDING_SUMS = ("calls", "input_tokens", "output_tokens", "cost_usd", "unpriced")
# What a whole number in a sum is worth in its column.
UNITS = dict.fromkeys(USD, NANO) | {"similarity_sum": TEN_THOUSANDTH}
# A value that is no number, or endless, is none.
FINITE = "{value} < 'Infinity'"
# The same as monitoring.histograms.bucket_of.
BUCKET = f"""
CASE WHEN {{value}} <= {LEAST} THEN {ZERO}
    ELSE ceil(ln({{value}}) / {math.log(GROWTH)!r}::float8 - 1e-9)::int END
"""


def bucket_sql(value: str) -> str:
    return BUCKET.format(value=value)


def _count_sql(name: str) -> str:
    return f"sum(m.sign * m.{name}::bigint)::bigint"


def _amount_sql(value: str, unit: int, condition: str = "") -> str:
    return f"coalesce((sum(m.sign * ({value})) {condition} * {unit})::bigint, 0)"


def _buckets_sql(column: str) -> str:
    value = f"m.{column}"
    return f"array_agg({bucket_sql(value)}) FILTER (WHERE {FINITE.format(value=value)})"


_SIMILAR = f"FILTER (WHERE {FINITE.format(value='m.similarity_avg')})"
_ZONE = "coalesce(t.timezone, 'UTC')"
_FIVE_MINUTES = "date_bin('5 minutes', m.asked_at, '2000-01-01Z')"
_HOUR_UTC = "date_trunc('hour', m.asked_at, 'UTC')"
_HOUR, _DAY = (f"date_trunc('{unit}', m.asked_at, {_ZONE})" for unit in ("hour", "day"))
# Grouped by what is quick to compare, and turned into numbers once a group.
_GROUPED = f"m.sign, t.id, {{slot}}, {_HOUR}, {_DAY}"
# Tenants that the installation makes for its own checks are nobody's, and no part of the fleet.
_OWN_CHECK = "coalesce({}, false)".format(
    " OR ".join(f"starts_with(t.slug, '{prefix}')" for prefix in Tenant.KEPT_PREFIXES)
)
_KEYS = f"""
count(*), m.sign, coalesce(t.id, 0), extract(epoch FROM {{slot}})::bigint,
extract(epoch FROM {_HOUR})::bigint, extract(epoch FROM {_DAY})::bigint, ({_OWN_CHECK})::int
"""
# A tenant that is gone counts for the fleet alone.
_FROM = "FROM ({source}) m LEFT JOIN public.tenants_tenant t ON t.id = m.tenant_id"
# What is paid for beside the answers is nobody's question.
USAGE = f"""
SELECT {_KEYS.format(slot=_FIVE_MINUTES)},
    m.model, m.cache,
    {", ".join(map(_count_sql, LEDGER_COUNTS))},
    {", ".join(_amount_sql(f"m.{name}", NANO) for name in USD)},
    {_amount_sql("round(m.similarity_avg::numeric, 4)", TEN_THOUSANDTH, _SIMILAR)},
    coalesce(sum(m.sign) {_SIMILAR}, 0)::bigint,
    coalesce(sum(m.sign * m.questions) FILTER (WHERE m.cache <> 'none'), 0)::bigint,
    {", ".join(_buckets_sql(VALUES[name]) for name in HISTOGRAMS)}
{_FROM}
WHERE m.entry IN ('answer', 'rating', 'sample')
GROUP BY {_GROUPED.format(slot=_FIVE_MINUTES)}, m.model, m.cache
"""
_COMPONENT = " ".join(f"WHEN '{kind}' THEN '{name}'" for kind, name in COMPONENT.items())
# Of calls that are no part of an answer: what they were made for.
_BESIDE = {name: name for name in PAID_APART} | {"sample": "shadow", "check": "shadow"}
_APART = " ".join(f"WHEN '{entry}' THEN '{name}'" for entry, name in _BESIDE.items())
# Each call is rounded by itself, so that sums do not depend on what was added up first.
SPENDING = f"""
SELECT {_KEYS.format(slot=_HOUR_UTC)},
    CASE m.entry {_APART} ELSE CASE call->>'kind' {_COMPONENT} ELSE call->>'kind' END END,
    left(coalesce(call->>'provider', ''), 120), left(coalesce(call->>'model', ''), 120),
    sum(m.sign)::bigint,
    coalesce(sum(m.sign * (call->>'input_tokens')::bigint), 0)::bigint,
    coalesce(sum(m.sign * (call->>'output_tokens')::bigint), 0)::bigint,
    {_amount_sql("round((call->>'cost_usd')::numeric, 9)", NANO)},
    coalesce(sum(m.sign) FILTER (WHERE call->>'cost_usd' IS NULL), 0)::bigint
{_FROM} CROSS JOIN LATERAL jsonb_array_elements(m.calls) call
GROUP BY {_GROUPED.format(slot=_HOUR_UTC)}, 8, 9, 10
"""
KEYS = ("tenant_id", "slot", "hour", "day", "is_own_check")


@dataclass(slots=True)
class Buckets:
    """`counts[i]` values in bucket `buckets[i]` of the group `groups[i]`."""

    groups: NDArray[np.int64]
    buckets: NDArray[np.int64]
    counts: NDArray[np.int64]


@dataclass(slots=True)
class Deltas:
    """Groups in columns. `keys` says whose and when: `tenant_id` 0 is none that is there,
    times are seconds since 1970."""

    # How many rows of the ledger it was.
    rows: int
    keys: dict[str, NDArray[np.int64]]
    # What tells rows of one time apart, each once; and which of them a group has.
    labels: list[tuple[str, ...]]
    label: NDArray[np.int64]
    sums: NDArray[np.int64]
    histograms: list[Buckets]

    def __len__(self) -> int:
        return len(self.label)


def usage_deltas(rows: Sequence[tuple[Any, ...]]) -> Deltas:
    """Of rows of USAGE."""
    return _deltas(rows, names=2, sums=len(DELTA_SUMS))


def spending_deltas(rows: Sequence[tuple[Any, ...]]) -> Deltas:
    """Of rows of SPENDING."""
    return _deltas(rows, names=3, sums=len(SPENDING_SUMS))


def _deltas(rows: Sequence[tuple[Any, ...]], names: int, sums: int) -> Deltas:
    columns = list(zip(*rows, strict=True))
    sign = np.array(columns[1], dtype=np.int64)
    first_name = 2 + len(KEYS)
    first_sum = first_name + names
    labels, label = _coded(list(zip(*columns[first_name:first_sum], strict=True)))
    last_sum = first_sum + sums
    return Deltas(
        rows=sum(columns[0]),
        keys={name: np.array(columns[place], dtype=np.int64) for place, name in enumerate(KEYS, 2)},
        labels=labels,
        label=label,
        sums=np.array(columns[first_sum:last_sum], dtype=np.int64).T,
        histograms=[_buckets(column, sign) for column in columns[last_sum:]],
    )


def _coded(names: list[tuple[str, ...]]) -> tuple[list[tuple[str, ...]], NDArray[np.int64]]:
    codes: dict[tuple[str, ...], int] = {}
    label = np.array([codes.setdefault(name, len(codes)) for name in names], dtype=np.int64)
    return list(codes), label


def _buckets(lists: Sequence[list[int] | None], sign: NDArray[np.int64]) -> Buckets:
    lengths = np.array([len(each) if each else 0 for each in lists], dtype=np.int64)
    groups = np.repeat(np.arange(len(lists), dtype=np.int64), lengths)
    found = chain.from_iterable(each for each in lists if each)
    buckets = np.fromiter(found, dtype=np.int64, count=int(lengths.sum()))
    return Buckets(groups, buckets, sign[groups])

"""Deltas added to the usage and spending rows of every length of time, of tenants and of the fleet.

Only by who holds the lock of monitoring.rollups, because histograms are read, merged and written.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from monitoring.deltas import DELTA_SUMS, SPENDING_SUMS, UNITS, USAGE_SUMS
from monitoring.histograms import PACKED, ZERO
from monitoring.models import (
    DailySpending,
    DailyUsage,
    HourlySpending,
    HourlyUsage,
    RecentUsage,
    TenantDay,
    TenantHour,
    TotalSpending,
    TotalUsage,
)
from monitoring.sums import HISTOGRAMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.db.backends.utils import CursorWrapper
    from django.db.models import Model
    from numpy.typing import NDArray

    from monitoring.deltas import Buckets, Deltas

    Whole = NDArray[np.int64]

HOUR, DAY = 3_600, 86_400
USAGE_NAMES = ("model", "cache")
SPENDING_NAMES = ("component", "provider", "model")


@dataclass(frozen=True, slots=True)
class Table:
    """`tenant_time`: which time of the deltas its rows begin with; None where it is of the fleet
    alone. `fleet_step`: in seconds; None where there is one row for ever."""

    model: type[Model]
    tenant_time: str | None
    fleet_step: int | None
    names: tuple[str, ...]
    sums: tuple[str, ...]
    histograms: tuple[str, ...] = ()
    has_day: bool = False
    has_fleet: bool = True

    @property
    def name(self) -> str:
        return f"public.{self.model._meta.db_table}"  # noqa: SLF001


def _usage(
    model: type[Model], time: str | None, step: int | None, *, has_day: bool = False
) -> Table:
    return Table(model, time, step, USAGE_NAMES, USAGE_SUMS, HISTOGRAMS, has_day)


def _spending(model: type[Model], time: str | None, step: int | None) -> Table:
    return Table(model, time, step, SPENDING_NAMES, SPENDING_SUMS)


RECENT = _usage(RecentUsage, "slot", 300)
USAGE_TABLES = (
    _usage(HourlyUsage, "hour", HOUR, has_day=True),
    _usage(DailyUsage, "day", DAY),
    _usage(TotalUsage, None, None),
)
SPENDING_TABLES = (
    _spending(HourlySpending, "hour", HOUR),
    _spending(DailySpending, "day", DAY),
    _spending(TotalSpending, None, None),
)
COMPARED = ("questions", "hits", "errors", "unpriced", "up", "down", "cost_usd")
TENANT_TABLES = (
    Table(TenantHour, "hour", None, (), COMPARED, has_day=True, has_fleet=False),
    Table(TenantDay, "day", None, (), COMPARED, has_fleet=False),
)
TENANT, FLEET = "tenant", "fleet"
BOTH = (TENANT, FLEET)


@dataclass(slots=True)
class Rows:
    """What is added to one table, a row each."""

    tenant: Whole
    starts: Whole
    day: Whole
    label: Whole
    sums: Whole
    # The row of each group of the deltas; -1 where it has none.
    of_group: Whole


def book(
    cursor: CursorWrapper, deltas: Deltas, tables: Sequence[Table], scopes: Sequence[str] = BOTH
) -> None:
    """Adds them to all rows that they belong to."""
    for table in tables:
        for scope in scopes:
            if table.has_fleet if scope == FLEET else table.tenant_time:
                _book(cursor, table, deltas, scope)


def without_old(deltas: Deltas, oldest: float) -> Deltas:
    """Those that begin no earlier than `oldest`, in seconds since 1970."""
    kept = deltas.keys["slot"] >= oldest
    if kept.all():
        return deltas
    place = np.cumsum(kept) - 1
    return replace(
        deltas,
        keys={name: values[kept] for name, values in deltas.keys.items()},
        label=deltas.label[kept],
        sums=deltas.sums[kept],
        histograms=[_of_kept(each, kept, place) for each in deltas.histograms],
    )


def _of_kept(found: Buckets, kept: NDArray[np.bool_], place: Whole) -> Buckets:
    stays = kept[found.groups]
    groups = place[found.groups[stays]]
    return type(found)(groups, found.buckets[stays], found.counts[stays])


def _book(cursor: CursorWrapper, table: Table, deltas: Deltas, scope: str) -> None:
    rows = _add_up(table, deltas, scope)
    if not len(rows.label):
        return
    key = _key_parameters(rows, deltas)
    packed = [[]] * len(table.histograms)
    if table.histograms:
        kept = _read_histograms(cursor, table, scope, key)
        packed = [
            _merge(rows, found, [(place, held[number]) for place, *held in kept])
            for number, found in enumerate(deltas.histograms)
        ]
    place = DELTA_SUMS.index if table.names != SPENDING_NAMES else SPENDING_SUMS.index
    values = {name: _array(rows.sums[:, place(name)]) for name in table.sums}
    values |= {
        name: _bytes_array(each) for name, each in zip(table.histograms, packed, strict=True)
    }
    cursor.execute(_upsert(table, scope), {**key, **values, "day": _array(rows.day)})


def _add_up(table: Table, deltas: Deltas, scope: str) -> Rows:
    keys = deltas.keys
    mask = keys["tenant_id"] > 0 if scope == TENANT else keys["is_own_check"] == 0
    tenant = keys["tenant_id"] if scope == TENANT else np.zeros(len(deltas), dtype=np.int64)
    if scope == TENANT:
        assert table.tenant_time
        starts, day = keys[table.tenant_time], keys["day"]
    else:
        slot = keys["slot"]
        starts = slot - slot % table.fleet_step if table.fleet_step else np.zeros_like(slot)
        day = slot - slot % DAY
    chosen = np.flatnonzero(mask)
    label = deltas.label if table.names else np.zeros(len(deltas), dtype=np.int64)
    code = _codes(tenant[chosen], starts[chosen], label[chosen])
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    sums = np.zeros((len(first), deltas.sums.shape[1]), dtype=np.int64)
    np.add.at(sums, inverse, deltas.sums[chosen])
    of_group = np.full(len(deltas), -1, dtype=np.int64)
    of_group[chosen] = inverse
    place = chosen[first]
    return Rows(tenant[place], starts[place], day[place], label[place], sums, of_group)


def _codes(*columns: Whole) -> Whole:
    """One number for each different combination."""
    code = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        values, place = np.unique(column, return_inverse=True)
        code = code * max(len(values), 1) + place
    return code


def _merge(rows: Rows, added: Buckets, kept: list[tuple[int, bytes]]) -> list[bytes]:
    """The packed histogram of each row: what it holds (`kept`, by row) and what is added."""
    owner = rows.of_group[added.groups]
    mine = owner >= 0
    held = np.frombuffer(b"".join(bytes(each) for _, each in kept), dtype=PACKED)
    lengths = [len(each) // PACKED.itemsize for _, each in kept]
    owners = np.repeat(np.array([place for place, _ in kept], dtype=np.int64), lengths)
    owner = np.concatenate([owners, owner[mine]])
    bucket = np.concatenate([held["bucket"].astype(np.int64), added.buckets[mine]])
    count = np.concatenate([held["count"].astype(np.int64), added.counts[mine]])
    code, place = np.unique(owner << 32 | bucket - ZERO, return_inverse=True)
    counts = np.zeros(len(code), dtype=np.int64)
    np.add.at(counts, place, count)
    code, counts = code[counts != 0], counts[counts != 0]
    packed = np.empty(len(code), dtype=PACKED)
    packed["bucket"], packed["count"] = (code & 0xFFFFFFFF) + ZERO, counts
    ends = np.searchsorted(code >> 32, np.arange(len(rows.label) + 1))
    return [packed[start:end].tobytes() for start, end in zip(ends, ends[1:], strict=False)]


def _key_parameters(rows: Rows, deltas: Deltas) -> dict[str, Any]:
    names = zip(*deltas.labels, strict=True)
    return {
        "tenant": _array(rows.tenant),
        "starts": _array(rows.starts),
        "label": _array(rows.label + 1),
        **{f"name_{number}": list(each) for number, each in enumerate(names)},
    }


def _read_histograms(
    cursor: CursorWrapper, table: Table, scope: str, key: dict[str, Any]
) -> list[tuple[Any, ...]]:
    """The place of each row that is there, counted from 0, and what it holds."""
    # An index is not used for "is not distinct from".
    tenant = "u.tenant_id = k.tenant" if scope == TENANT else "u.tenant_id IS NULL"
    names = " AND ".join(f"u.{name} = {_label(number)}" for number, name in enumerate(table.names))
    cursor.execute(
        f"""
        SELECT k.place - 1, {", ".join(f"u.{name}" for name in table.histograms)}
        FROM unnest(%(tenant)s::bigint[], %(starts)s::bigint[], %(label)s::int[])
            WITH ORDINALITY AS k (tenant, starts, label, place)
        JOIN {table.name} u ON {tenant} AND u.starts_at = to_timestamp(k.starts) AND {names}
        """,  # noqa: S608 - names of columns
        key,
    )
    return cursor.fetchall()


def _label(number: int) -> str:
    return f"(%(name_{number})s::text[])[k.label]"


def _upsert(table: Table, scope: str) -> str:
    columns = ["tenant_id", "starts_at", *table.names, *table.sums, *table.histograms]
    values = [
        "k.tenant" if scope == TENANT else "NULL",
        "to_timestamp(k.starts)",
        *(_label(number) for number, _ in enumerate(table.names)),
        *(f"k.{name}{_unit(name)}" for name in table.sums),
        *(f"k.{name}" for name in table.histograms),
    ]
    if table.has_day:
        columns.append("day")
        values.append("to_timestamp(k.day)")
    arrays = [(name, "bigint") for name in ("tenant", "starts", "label", "day", *table.sums)]
    arrays += [(name, "bytea") for name in table.histograms]
    added = [f"{name} = u.{name} + excluded.{name}" for name in table.sums]
    added += [f"{name} = excluded.{name}" for name in table.histograms]
    return f"""
    INSERT INTO {table.name} AS u ({", ".join(columns)})
    SELECT {", ".join(values)}
    FROM unnest({", ".join(f"%({name})s::{kind}[]" for name, kind in arrays)})
        AS k ({", ".join(name for name, _ in arrays)})
    ON CONFLICT ({", ".join(["tenant_id", "starts_at", *table.names])})
    DO UPDATE SET {", ".join(added)}
    """  # noqa: S608 - names of columns


def _unit(name: str) -> str:
    return f"::numeric / {UNITS[name]}" if name in UNITS else ""


def _array(values: Whole) -> str:
    """As Postgres writes an array: a hundred times faster than a list that is adapted by the driver."""
    return "{" + ",".join(map(str, values.tolist())) + "}"


def _bytes_array(values: Sequence[bytes]) -> str:
    return "{" + ",".join(_quoted(values)) + "}"


def _quoted(values: Sequence[bytes]) -> Iterator[str]:
    return (f'"\\\\x{each.hex()}"' for each in values)

"""What is usually said of the three levels, and what the measured figures say for one fleet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ragadmin.templatetags.ui import file_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

MB = 2**20
# Of rows in the catalog, without their indexes: it is read all the time, and is to stay in memory.
CATALOG_LIMIT = 1024 * MB
# Of the disk, what tenants may take before they hold anything.
FIXED_LIMIT = 50 * 1024 * MB
SLOWER_LIMIT = 1.5
# Quicker ones are quick enough.
SLOWER_FROM_MS = 10.0
# The first search of a tenant on a connection that has not met it yet.
FIRST_SEARCH_LIMIT_MS = 250
CREATE_LIMIT_MS = 1_000
# A connection is ended and replaced before its backend keeps more than this.
BACKEND_LIMIT = 64 * MB


class Lesson(NamedTuple):
    level: str
    isolation: str
    operations: str
    cost: str
    best_for: str


LESSON = (
    Lesson(
        "schema",
        "Strong: tables of its own, behind row-level security as well",
        "More: every migration runs once for each schema",
        "Higher: a fixed price for each tenant in catalog and disk",
        "Enterprise customers, compliance",
    ),
    Lesson(
        "partition",
        "Good: chunks in a table of its own, the rest shared",
        "Low: one schema to migrate, a tenant's chunks are dropped at once",
        "Medium: one table for each tenant",
        "SaaS with many customers of middling size",
    ),
    Lesson(
        "shared",
        "Weakest by itself: rows side by side; forced row-level security keeps them apart here",
        "Lowest: nothing is made for a tenant",
        "Lowest: a tenant is its rows and no more",
        "Internal tools, trials, very many small tenants",
    ),
)


@dataclass(frozen=True, slots=True)
class _Fleet:
    """`nearest`: the measured number of tenants that is nearest to the fleet's, by level."""

    tenants: int
    chunks: int
    measured_chunks: int
    nearest: Mapping[str, Mapping[str, Any]]


def recommend(tenants: int, chunks_per_tenant: int, results: Mapping[str, Any]) -> tuple[str, str]:
    """The strongest level that the measured figures allow for such a fleet, and why.

    `results` is that of a comparison; with nothing measured it is the default level.
    """
    nearest = _nearest(tenants, results.get("rows", []))
    if not nearest:
        return "schema", "Nothing is measured yet: this is the default, and the strongest level."
    fleet = _Fleet(tenants, chunks_per_tenant, results.get("chunks") or 1, nearest)
    refused = []
    for lesson in LESSON[:-1]:
        reasons = [reason for check in CHECKS if (reason := check(lesson.level, fleet))]
        if lesson.level in nearest and not reasons:
            return lesson.level, " ".join([*refused, _praise(lesson.level, fleet)])
        if reasons:
            refused.append(f"Not {lesson.level}: {'; '.join(reasons)}.")
    return "shared", " ".join([*refused, _praise("shared", fleet)])


def _nearest(tenants: int, rows: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    levels = dict.fromkeys(row["level"] for row in rows)
    return {
        level: min(
            (row for row in rows if row["level"] == level),
            key=lambda row: abs(row["tenants"] - tenants),
        )
        for level in levels
    }


def _too_large_catalog(level: str, fleet: _Fleet) -> str:
    size = _catalog(level, fleet)
    return f"its catalog would take {file_size(size)}" if size > CATALOG_LIMIT else ""


def _too_slow(level: str, fleet: _Fleet) -> str:
    """By the ratio to one and the same tenant, asked in turn: the times of two levels are measured
    minutes apart."""
    own = _figure(level, fleet, "search_ratio")
    best = min(row["search_ratio"] for row in fleet.nearest.values())
    if own <= SLOWER_LIMIT * best or _figure(level, fleet, "search_p50_ms") < SLOWER_FROM_MS:
        return ""
    return f"a search takes {own / best:.1f} times as long as at another level"


def _too_slow_at_first(level: str, fleet: _Fleet) -> str:
    first = _figure(level, fleet, "first_search_ms")
    if first <= FIRST_SEARCH_LIMIT_MS:
        return ""
    return f"the first search of a tenant on a connection takes {first:.0f} ms"


def _too_slow_to_make(level: str, fleet: _Fleet) -> str:
    took = _figure(level, fleet, "create_ms")
    return f"a new tenant takes {took:.0f} ms" if took > CREATE_LIMIT_MS else ""


def _too_much_fixed(level: str, fleet: _Fleet) -> str:
    """A tenant's own tables are worth their price if its data are more than a small part of it."""
    fixed = _figure(level, fleet, "small_storage_bytes")
    row = fleet.nearest.get(level)
    data = row["storage_bytes"] / fleet.measured_chunks * fleet.chunks if row else 0
    if fixed * fleet.tenants <= FIXED_LIMIT or fixed <= data:
        return ""
    return (
        f"{file_size(fixed * fleet.tenants)} of disk would go to tables that hold next to nothing"
    )


CHECKS: tuple[Callable[[str, _Fleet], str], ...] = (
    _too_large_catalog,
    _too_slow,
    _too_slow_at_first,
    _too_slow_to_make,
    _too_much_fixed,
)


def _praise(level: str, fleet: _Fleet) -> str:
    text = ", ".join(_facts(level, fleet))
    return f"{text[0].upper()}{text[1:]}."


def _facts(level: str, fleet: _Fleet) -> Iterator[str]:
    row = fleet.nearest.get(level)
    if row is None:
        yield "the level that costs least, not measured here"
        return
    among = f"{row['tenants']:,} tenants" if row["tenants"] > 1 else "one tenant"
    yield f"measured with {among}, a search takes {row['search_p50_ms']:.1f} ms"
    yield f"and making a tenant {row['create_ms']:.0f} ms"
    yield f"the whole fleet takes {file_size(_catalog(level, fleet))} of catalog"
    data = row["storage_bytes"] / fleet.measured_chunks * fleet.chunks
    fixed = _figure(level, fleet, "small_storage_bytes")
    yield f"and about {file_size(max(data, fixed) * fleet.tenants)} of disk"
    kept = _figure(level, fleet, "backend_bytes")
    if kept * fleet.tenants > BACKEND_LIMIT:
        yield (
            f"and a connection is renewed after some {BACKEND_LIMIT / kept:,.0f} tenants, "
            f"of each of which it keeps {file_size(kept)}"
        )


def _catalog(level: str, fleet: _Fleet) -> float:
    return _figure(level, fleet, "catalog_bytes") * fleet.tenants


def _figure(level: str, fleet: _Fleet, name: str) -> float:
    row = fleet.nearest.get(level)
    return (row.get(name) if row else None) or 0.0

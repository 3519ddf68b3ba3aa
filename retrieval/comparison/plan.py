"""How much is to be measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ragadmin.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_DOCUMENTS = 2_000
MOST_TENANTS = 20_000


@dataclass(frozen=True, slots=True)
class Plan:
    """`samples`: how many tenants are created and deleted for the times of that."""

    documents: int = 40
    tenants: tuple[int, ...] = (1, 100, 1_000)
    questions: int = 300
    samples: int = 10

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"tenants": list(self.tenants)}


@dataclass(frozen=True, slots=True)
class Size:
    """A plan that the page offers."""

    label: str
    plan: Plan


SIZES = {
    "small": Size(
        "Small: 1 and 20 tenants, about a minute",
        Plan(documents=20, tenants=(1, 20), questions=200, samples=5),
    ),
    "medium": Size("Medium: 1 and 100 tenants, some minutes", Plan(tenants=(1, 100))),
    "full": Size("Full: 1, 100 and 1,000 tenants, a quarter of an hour or more", Plan()),
}


def make_plan(documents: int, tenants: Iterable[int], **values: int) -> Plan:
    """Raises InvalidRequest."""
    counts = tuple(sorted(set(tenants)))
    if not 1 <= documents <= MOST_DOCUMENTS:
        raise _invalid("documents", f"documents is a number from 1 to {MOST_DOCUMENTS:,}.")
    if not counts or not 1 <= counts[0] <= counts[-1] <= MOST_TENANTS:
        raise _invalid("tenants", f"Numbers of tenants are from 1 to {MOST_TENANTS:,}.")
    return Plan(documents=documents, tenants=counts, **values)


def parse_counts(text: str) -> list[int]:
    """`1,100,1000`. Raises InvalidRequest."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise _invalid(
            "tenants", "Numbers of tenants are written with commas between them: 1,100,1000."
        ) from None


def _invalid(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, extra={"field": field})

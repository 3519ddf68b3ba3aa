"""How many documents a worker takes at once: as many as it does in half a second.

Few enough that another tenant's turn comes soon, enough that what a batch costs beside its documents
does not count: on a busy machine that alone can take longer, so batches grow as long as they stay
short, whatever a document seems to cost in a small one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenants.models import Tenant

SECONDS_PER_BATCH = 0.5
# A batch that took no longer is followed by one of twice as many documents, or more.
SHORT_SECONDS = 0.6
# Of very few documents a batch tells least what they cost, so it may take longer.
FEW_DOCUMENTS = 3
FEW_SECONDS = 1.0
MAX_DOCUMENTS = 256
MAX_BYTES = 4 * 2**20
# How much larger one batch may be than the one before: a single short document says little.
GROWTH = 4
# How quickly what was seen lately makes a document count as dearer; cheaper it is at once.
LEARNING = 0.25
MAX_REMEMBERED = 10_000


@dataclass(slots=True)
class Experience:
    """The last batch, and what a document of the tenant takes."""

    documents: int
    seconds: float
    seconds_a_document: float

    def fitting(self) -> int:
        wanted = int(SECONDS_PER_BATCH / max(self.seconds_a_document, 1e-6))
        short = FEW_SECONDS if self.documents <= FEW_DOCUMENTS else SHORT_SECONDS
        if self.seconds <= short:
            wanted = max(wanted, 2 * self.documents)
        return max(1, min(wanted, GROWTH * self.documents, MAX_DOCUMENTS))


_seen: dict[tuple[int, str], Experience] = {}


def batch_size(tenant: Tenant) -> int:
    known = _seen.get(_key(tenant))
    return known.fitting() if known else 1


def note(tenant: Tenant, documents: int, seconds: float) -> None:
    """What a batch took from its claim to its end."""
    documents = max(documents, 1)
    each = seconds / documents
    known = _seen.pop(_key(tenant), None)
    if known and known.seconds_a_document < each:
        each = known.seconds_a_document + LEARNING * (each - known.seconds_a_document)
    while len(_seen) >= MAX_REMEMBERED:
        _seen.pop(next(iter(_seen)), None)
    _seen[_key(tenant)] = Experience(documents, seconds, each)


def _key(tenant: Tenant) -> tuple[int, str]:
    return tenant.pk, tenant.embedding_model

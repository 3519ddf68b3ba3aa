"""How many documents a worker takes at once: as many as it does in a quarter of a second.

Few enough that another tenant's turn comes soon, enough that what a batch costs beside its documents
does not count: on a busy machine that alone can take longer, and then documents get as much again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenants.models import Tenant

SECONDS_PER_BATCH = 0.25
# However much a batch costs beside its documents.
LONGEST_BATCH_SECONDS = 1.0
MAX_DOCUMENTS = 64
MAX_BYTES = 4 * 2**20
# How much larger one batch may be than the one before: a single short document says little.
GROWTH = 4
# How much of what was known stays known with each batch.
MEMORY = 0.8
MAX_REMEMBERED = 10_000


@dataclass(slots=True)
class Experience:
    """Batches lately: weighted sums for a straight line through seconds over documents."""

    last: int = 0
    weight: float = 0.0
    documents: float = 0.0
    seconds: float = 0.0
    squares: float = 0.0
    products: float = 0.0

    def note(self, documents: int, seconds: float) -> None:
        self.last = documents
        self.weight = self.weight * MEMORY + 1
        self.documents = self.documents * MEMORY + documents
        self.seconds = self.seconds * MEMORY + seconds
        self.squares = self.squares * MEMORY + documents * documents
        self.products = self.products * MEMORY + documents * seconds

    @property
    def seconds_a_document(self) -> float:
        return self.seconds / self.documents

    def fitting(self) -> int:
        """So many that a batch takes SECONDS_PER_BATCH, or twice what it costs without documents."""
        each, beside = self._line()
        wanted = min(max(SECONDS_PER_BATCH, 2 * beside), LONGEST_BATCH_SECONDS)
        return int((wanted - beside) / each) if each > 0 else MAX_DOCUMENTS

    def _line(self) -> tuple[float, float]:
        """Seconds for each document, and for a batch beside its documents. Least squares."""
        spread = self.weight * self.squares - self.documents**2
        if spread <= 1e-6 * self.squares:  # all batches were of one size
            return self.seconds_a_document, 0.0
        each = (self.weight * self.products - self.documents * self.seconds) / spread
        each = min(max(each, 0.0), self.seconds_a_document)
        return each, (self.seconds - each * self.documents) / self.weight


_seen: dict[tuple[int, str], Experience] = {}


def batch_size(tenant: Tenant) -> int:
    known = _seen.get(_key(tenant))
    if known is None:
        return 1
    fitting = max(1, min(known.fitting(), known.last * GROWTH, MAX_DOCUMENTS))
    # Two sizes have to be tried to tell what a document costs from what a batch does.
    is_alone = fitting == known.last == 1
    return 2 if is_alone and known.seconds_a_document < LONGEST_BATCH_SECONDS / 2 else fitting


def note(tenant: Tenant, documents: int, seconds: float) -> None:
    """What a batch took from its claim to its end."""
    key = _key(tenant)
    known = _seen.pop(key, None) or Experience()
    known.note(max(documents, 1), seconds)
    while len(_seen) >= MAX_REMEMBERED:
        _seen.pop(next(iter(_seen)), None)
    _seen[key] = known


def _key(tenant: Tenant) -> tuple[int, str]:
    return tenant.pk, tenant.embedding_model

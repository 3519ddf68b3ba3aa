"""How many documents a worker takes at once: as many as it does in a quarter of a second.

Few enough that another tenant's turn comes soon, enough that what a batch costs beside its documents
does not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenants.models import Tenant

SECONDS_PER_BATCH = 0.25
MAX_DOCUMENTS = 64
MAX_BYTES = 4 * 2**20
# How much faster one batch may be than the one before: a single short document says little.
GROWTH = 4
# How much of what was known stays known.
MEMORY = 0.5
MAX_REMEMBERED = 10_000

# Seconds that a document took lately and documents in the last batch, in this process.
_seen: dict[tuple[int, str], tuple[float, int]] = {}


def batch_size(tenant: Tenant) -> int:
    seconds, last = _seen.get(_key(tenant), (SECONDS_PER_BATCH, 0))
    fitting = int(SECONDS_PER_BATCH / max(seconds, 1e-6))
    return max(1, min(fitting, max(1, last) * GROWTH, MAX_DOCUMENTS))


def note(tenant: Tenant, documents: int, seconds: float) -> None:
    """What a batch took from its claim to its end."""
    key = _key(tenant)
    known, _ = _seen.pop(key, (0.0, 0))
    each = seconds / max(documents, 1)
    while len(_seen) >= MAX_REMEMBERED:
        _seen.pop(next(iter(_seen)), None)
    _seen[key] = (MEMORY * known + (1 - MEMORY) * each if known else each, documents)


def _key(tenant: Tenant) -> tuple[int, str]:
    return tenant.pk, tenant.embedding_model

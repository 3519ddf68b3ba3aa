"""Settings that documents are indexed with: what a change of them does, the app knows that indexes.

It registers itself in its `ready()`, because it is above this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenants.models import Tenant, User

    Begin = Callable[[User | str | None], Tenant]
    Prepare = Callable[[Tenant, Mapping[str, Any]], Begin]

INDEXING_SETTINGS = ("embedding_model", "chunk_tokens")

_prepare: list[Prepare] = []


def register(prepare: Prepare) -> None:
    """`prepare` refuses what cannot be used by InvalidRequest, and returns what begins the change."""
    _prepare[:] = [prepare]


def prepare_change(tenant: Tenant, wanted: Mapping[str, Any]) -> Begin:
    """Nothing is changed before the result is called. Call neither inside a transaction: a model is
    asked, and documents are put in line."""
    return _prepare[0](tenant, wanted)

"""How sync runs ended, noted in the transaction that ends them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring.models import SyncOutcome

if TYPE_CHECKING:
    from retrieval.events import SyncEnded


def note_sync(ended: SyncEnded) -> None:
    """A listener of retrieval.events.sync_listeners."""
    SyncOutcome.objects.update_or_create(
        run_id=ended.run_id,
        defaults={
            "tenant_id": ended.tenant_id,
            "source_id": ended.source_id,
            "status": ended.status,
            "failed_documents": ended.failed,
            "finished_at": ended.finished_at,
        },
    )

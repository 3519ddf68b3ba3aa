"""How far a move is: its row, which the page reads and the mover writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import F
from django.utils import timezone

from tenants.models import TenantMove
from tenants.moving.session import MoveFailed

if TYPE_CHECKING:
    from django.db.models import QuerySet


class Stage(models.TextChoices):
    """In order. The last three are of moves that are over."""

    WAITING = "waiting", "Waiting for a worker"
    PREPARING = "preparing", "Preparing the new place"
    CAPTURING = "capturing", "Beginning to note changes"
    COPYING = "copying", "Copying"
    CATCHING_UP = "catching_up", "Catching up with changes"
    COMPARING = "comparing", "Comparing every row"
    SWITCHING = "switching", "Switching"
    CANCELLING = "cancelling", "Being cancelled"
    LEFTOVERS = "leftovers", "Removing what is left"
    DONE = "done", "Done"


class Cancelled(MoveFailed):
    code = "move_cancelled"
    status = 409


def still_running(move: TenantMove) -> QuerySet[TenantMove]:
    running = TenantMove.objects.using("owner").filter(pk=move.pk, status=TenantMove.Status.RUNNING)
    return running.exclude(stage=Stage.CANCELLING)


def write_progress(move: TenantMove, stage: Stage, *, copied: int = 0) -> None:
    """In the caller's transaction, if any. Raises Cancelled when somebody has cancelled the move."""
    changed = still_running(move).update(stage=stage, rows_copied=F("rows_copied") + copied)
    if not changed:
        raise Cancelled("The move was cancelled. The tenant is whole where it was.")
    move.stage = stage
    move.rows_copied += copied


def mark_failed(moves: QuerySet[TenantMove], error: str) -> int:
    """What they left behind is still to be removed."""
    return moves.filter(status=TenantMove.Status.RUNNING).update(
        status=TenantMove.Status.FAILED,
        stage=Stage.LEFTOVERS,
        error=error,
        finished_at=timezone.now(),
    )

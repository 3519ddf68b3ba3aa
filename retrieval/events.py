"""What happens while a question is answered, as typed values, each of which a surface renders its own
way; and the bridge to whoever keeps the books of it (`ledger`, `answer_listeners`, `sync_listeners`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from ragadmin.errors import RagadminError
    from retrieval.query.run import Run
    from retrieval.types import Citation


@dataclass(frozen=True, slots=True)
class StageStarted:
    """`stage`: searching or generating. The question is stored before the first one is sent."""

    stage: str
    answer_id: str
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TokenAdded:
    text: str


@dataclass(frozen=True, slots=True)
class CitationsFound:
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class AnswerDone:
    """Sent after the trace is stored. `answer` has the keys of the contract."""

    answer: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AnswerFailed:
    """The model stopped in the middle: what came so far is kept on the trace."""

    error: RagadminError
    answer_id: str


AnswerEvent = StageStarted | TokenAdded | CitationsFound | AnswerDone | AnswerFailed


# Vectors of documents; golden questions; searches and vectors without an answer; diagnoses and documents to write; checks of
# cache hits that came to no verdict.
PAID_APART = ("indexing", "evaluation", "lookup", "diagnosis", "check")


@dataclass(slots=True)
class Ledger:
    """Statements that are part of the transaction that changes a trace, so that the books are never
    ahead of it or behind. Empty: nobody keeps any.

    Each but the last takes `answer_ids`, a list of traces of the tenant in force.
    """

    # These were completed, however they ended.
    completed: LiteralString = ""
    # The same of answers that may have been given up for dead before they came after all: what was
    # booked of them then, run before they are completed, and what is booked instead.
    taken_back: LiteralString = ""
    completed_late: LiteralString = ""
    # Their thumbs changed: by `up` and `down`, each -1, 0 or 1.
    rated: LiteralString = ""
    # A hit of the cache was answered in full as well, and the verdict is on the trace.
    sampled: LiteralString = ""
    # Something was paid for beside the answers: by `entry` (one of PAID_APART), `subject_id` and `paid`,
    # JSON of which each has `calls`, and `asked_at` unless that is now. It takes no traces.
    spent: LiteralString = ""


@dataclass(frozen=True, slots=True)
class SyncEnded:
    """A run that was no dry run has its last status."""

    tenant_id: int
    run_id: UUID
    source_id: UUID
    status: str
    failed: int
    finished_at: datetime


# Filled by the app that keeps the books, when Django starts.
ledger = Ledger()
# Called with each run that was stored, after its transaction. They must not wait; one that fails is
# logged, and the answer is given all the same.
answer_listeners: list[Callable[[Run], None]] = []
# Called in the transaction that ends a sync run, with its tenant in force, each in a savepoint: what it
# writes is there if the run's end is, and a failure of it does not keep the run from ending.
sync_listeners: list[Callable[[SyncEnded], None]] = []

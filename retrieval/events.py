"""What happens while a question is answered, as typed values. Each surface renders them its own way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragadmin.errors import RagadminError
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

"""What is told, whom, and how it fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ragadmin.errors import RagadminError

if TYPE_CHECKING:
    from datetime import datetime


class NotifierError(RagadminError):
    """A message did not arrive; `permanent` says that another try cannot help."""

    code = "not_delivered"
    status = 502

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


@dataclass(frozen=True, slots=True)
class Message:
    """`id` is the same at each try. `data` is the body of a webhook, `html` is for mail."""

    id: str
    event: str
    subject: str
    text: str
    data: dict[str, Any] = field(default_factory=dict[str, Any])
    html: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """Of a notifier, with its credentials readable: kept no longer than it takes to send."""

    addresses: tuple[str, ...] = ()
    url: str = ""
    secret: str = ""
    sent_at: datetime | None = None

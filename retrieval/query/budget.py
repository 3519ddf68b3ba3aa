"""What may still be spent: reserved before a paid call, settled with the trace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from retrieval.types import ModelCall
    from tenants.config import Caller
    from tenants.pool import Connection


@dataclass(slots=True)
class Purse:
    """What one answer may spend. `step`: "", small_model, fewer_passages or no_model."""

    step: str = ""

    async def reserve(self, answer_id: str, amount: Decimal | None) -> bool:
        """Whether so much more may be spent, in US dollars. None: the price is not known."""
        return True

    async def settle(
        self, connection: Connection, answer_id: str, calls: Sequence[ModelCall]
    ) -> None:
        """Books what was spent and gives the rest back, in the transaction of the trace."""

    async def give_back(self) -> None:
        """Everything, where nothing was stored. Never fails."""


async def open_purse(caller: Caller) -> Purse:
    """Raises BudgetExceeded."""
    return Purse()

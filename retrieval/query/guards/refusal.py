from __future__ import annotations

from typing import NamedTuple


class Refusal(NamedTuple):
    """Why a cached answer is not served: the kind of difference, and what differs."""

    kind: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"

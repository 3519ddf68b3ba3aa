"""Vectors as Postgres reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def as_halfvec(vector: np.ndarray) -> str:
    """pgvector's text form. Five digits: half precision keeps three to four."""
    return "[" + ",".join(f"{value:.5g}" for value in vector.tolist()) + "]"

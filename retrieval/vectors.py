"""Vectors as Postgres reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def as_halfvec(vector: np.ndarray) -> str:
    """pgvector's text form. Five digits: half precision keeps three to four."""
    return "[" + ",".join(f"{value:.5g}" for value in vector.tolist()) + "]"


def distance(dimension: int, *, indexed: bool) -> str:
    """SQL of the cosine distance to the parameter `vector`.

    The cast is what an HNSW index is built on: the column itself takes vectors of any dimension.
    """
    if indexed:
        return f"embedding::halfvec({int(dimension)}) <=> %(vector)s::halfvec({int(dimension)})"
    return "embedding <=> %(vector)s::halfvec"

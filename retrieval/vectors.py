"""Vectors as Postgres reads them."""

from __future__ import annotations

from functools import cache

import numpy as np


def as_halfvec(vector: np.ndarray) -> str:
    """pgvector's text form. Five digits: half precision keeps three to four."""
    return _form(len(vector)) % tuple(vector.tolist())


@cache
def _form(dimension: int) -> str:
    """One formatting of all numbers takes a third of the time of one each."""
    return "[" + ",".join(["%.5g"] * dimension) + "]"


def read_vector(text: str) -> np.ndarray:
    """Of pgvector's text form."""
    return np.array(text.strip("[]").split(","), np.float32)


def distance(dimension: int, *, indexed: bool, parameter: str = "vector") -> str:
    """SQL of the cosine distance to the named parameter.

    The cast is what an HNSW index is built on: the column itself takes vectors of any dimension.
    """
    if indexed:
        return (
            f"embedding::halfvec({int(dimension)}) <=> %({parameter})s::halfvec({int(dimension)})"
        )
    return f"embedding <=> %({parameter})s::halfvec"


def cache_index(tenant_id: int, dimension: int) -> str:
    """Name of the index of a tenant's kept questions, where it has one."""
    return f"cache_hnsw_{int(tenant_id)}_{int(dimension)}"


def of_dimension(dimension: int) -> str:
    """SQL condition of an index that rows with vectors of other models are not put into."""
    return f"extensions.vector_dims(embedding) = {int(dimension)}"

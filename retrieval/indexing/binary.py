"""Columns of vectors as Postgres receives them: as text they would cost most of an insert's time."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import connection
from psycopg import Cursor
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.types import TypeInfo

from retrieval.terms import DIMENSIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.indexing.weights import Weights

# One dimension, no nulls, the elements' type; then how many, counted from 1.
_HEAD = struct.Struct(">iiIii")
_SIZED = struct.Struct(">iiii")


@dataclass(frozen=True, slots=True)
class _Elements:
    """The elements of an array, each with its length before it."""

    count: int
    data: bytes


class HalfVectors(_Elements):
    pass


class SparseVectors(_Elements):
    pass


class Integers(_Elements):
    pass


class _Dumper(Dumper):
    format = Format.BINARY
    element_oid = 0

    def dump(self, obj: _Elements) -> bytes:
        return _HEAD.pack(1, 0, self.element_oid, obj.count, 1) + obj.data


def integers(values: np.ndarray | Sequence[int]) -> Integers:
    """Of four bytes."""
    found = np.empty(len(values), np.dtype([("size", ">i4"), ("value", ">i4")]))
    found["size"], found["value"] = 4, values
    return Integers(len(values), found.tobytes())


def half_vectors(rows: Sequence[np.ndarray]) -> HalfVectors:
    """All of the same dimension."""
    dimension = len(rows[0])
    kind = np.dtype([("size", ">i4"), ("head", ">i2", 2), ("values", ">f2", dimension)])
    found = np.empty(len(rows), kind)
    found["size"] = 4 + 2 * dimension
    found["head"] = (dimension, 0)
    found["values"] = np.stack(rows)
    return HalfVectors(len(rows), found.tobytes())


def sparse_vectors(weights: Weights) -> SparseVectors:
    """Their indices are counted from 0 here, and from 1 as text."""
    indices = (weights.terms - 1).astype(">i4").tobytes()
    values = weights.values.astype(">f4").tobytes()
    pieces: list[bytes] = []
    starts = weights.starts.tolist()
    for start, end in zip(starts, starts[1:], strict=False):
        place, stop = 4 * start, 4 * end
        head = _SIZED.pack(12 + 2 * (stop - place), DIMENSIONS, end - start, 0)
        pieces += (head, indices[place:stop], values[place:stop])
    return SparseVectors(len(starts) - 1, b"".join(pieces))


def execute(statement: str, values: Sequence[Any]) -> None:
    """Binds on the server, so that values go as they are. Placeholders are %b."""
    with connection.wrap_database_errors:
        session = connection.connection
        _register(session)
        with Cursor(session) as cursor:
            cursor.execute(statement, values)  # pyright: ignore[reportArgumentType] - made of constants


def _register(session: Any) -> None:
    """Types of an extension have other numbers in each database."""
    types = session.adapters.types
    if types.get("sparsevec") is not None:
        return
    for kind, name in ((Integers, "int4"), (HalfVectors, "halfvec"), (SparseVectors, "sparsevec")):
        info = types.get(name) or TypeInfo.fetch(session, name)
        assert info
        info.register(session)
        own = {"oid": info.array_oid, "element_oid": info.oid}
        session.adapters.register_dumper(kind, type(f"{name}Dumper", (_Dumper,), own))

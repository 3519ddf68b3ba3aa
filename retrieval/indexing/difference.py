"""What has to change among a document's chunks, so that they are those of a new text.

Equal passages are the same rows, in their order: they keep their ids and their vectors.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from retrieval.types import Passage


@dataclass(frozen=True, slots=True)
class DocumentText:
    """What a document's chunks of one generation are to be."""

    document_id: UUID
    access_level: str
    passages: Sequence[Passage]


class Row(NamedTuple):
    """A chunk as it is stored."""

    id: int
    content_hash: str
    heading_path: str
    ordinal: int
    start_char: int
    end_char: int
    access_level: str


class Move(NamedTuple):
    """What a row that stays becomes."""

    id: int
    ordinal: int
    start_char: int
    end_char: int
    access_level: str


@dataclass(slots=True)
class Difference:
    gone: list[int] = field(default_factory=list)
    moved: list[Move] = field(default_factory=list)
    new: list[tuple[DocumentText, Passage, str]] = field(default_factory=list)
    # Rows that will not stand where they do, so that others can.
    leaving: list[int] = field(default_factory=list)


def hash_passage(passage: Passage) -> str:
    return hashlib.sha256(passage.embedded_text.encode()).hexdigest()


def compare(texts: Sequence[DocumentText], existing: Mapping[UUID, Sequence[Row]]) -> Difference:
    """`existing` in order of their ordinals."""
    difference = Difference()
    for text in texts:
        _compare_document(difference, text, existing.get(text.document_id, ()))
    return difference


def _compare_document(difference: Difference, text: DocumentText, rows: Sequence[Row]) -> None:
    left: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in reversed(rows):
        left[row.content_hash, row.heading_path].append(row)
    for passage in text.passages:
        key = hash_passage(passage)
        if same := left.get((key, passage.heading_path)):
            _keep(difference, same.pop(), text, passage)
        else:
            difference.new.append((text, passage, key))
    gone = [row.id for each in left.values() for row in each]
    difference.gone += gone
    difference.leaving += gone


def _keep(difference: Difference, row: Row, text: DocumentText, passage: Passage) -> None:
    wanted = Move(row.id, passage.ordinal, passage.start_char, passage.end_char, text.access_level)
    if wanted != (row.id, *row[3:]):
        difference.moved.append(wanted)
    if row.ordinal != passage.ordinal:
        difference.leaving.append(row.id)

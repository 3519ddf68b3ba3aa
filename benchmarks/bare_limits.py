"""What the parts of a sync cost by themselves: the least that any system can take."""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING

import psycopg

from benchmarks.peers.trivial import PASSAGE_CHARACTERS, embed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REPEATS = 3
TABLE = """
DROP TABLE IF EXISTS bare; CREATE TABLE bare (id bigserial PRIMARY KEY, text text NOT NULL,
    words tsvector GENERATED ALWAYS AS (to_tsvector('english', text)) STORED,
    embedding halfvec(384) NOT NULL);
CREATE INDEX ON bare USING gin (words)
"""


def measure(files: Path, url: str) -> dict[str, float]:
    """`url` of a database with pgvector."""
    passages = [passage for path in sorted(files.rglob("*.md")) for passage in _passages(path)]
    rows = _rows(passages)
    copied = _seconds(lambda: _copy(rows, url), 1)
    return {
        "walk_and_stat_s": _seconds(lambda: list(_walk(files))),
        "walk_and_hash_s": _seconds(lambda: _hash_all(files)),
        "trivial_embedder_s": _seconds(lambda: embed(passages)),
        "copy_rows": len(passages),
        "copy_rows_a_s": len(passages) / copied,
    }


def _seconds(act: Callable[[], object], repeats: int = REPEATS) -> float:
    """The best of some."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        act()
        best = min(best, time.perf_counter() - start)
    return best


def _walk(folder: Path | str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _walk(entry.path)
            else:
                found = entry.stat()
                yield entry.path, found.st_size, found.st_mtime_ns


def _hash_all(folder: Path) -> None:
    for path, _, _ in _walk(folder):
        with open(path, "rb") as file:  # noqa: PTH123 - the bare minimum
            hashlib.sha256(file.read()).hexdigest()


def _passages(path: Path) -> list[str]:
    text = path.read_text()
    return [text[start : start + PASSAGE_CHARACTERS] for start in range(0, 1800, 650)]


def _copy(rows: list[tuple[str, str]], url: str) -> None:
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(TABLE)
        with cursor.copy("COPY bare (text, embedding) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)


def _rows(passages: list[str]) -> list[tuple[str, str]]:
    vectors = ("[" + ",".join(f"{part:.5g}" for part in vector) + "]" for vector in embed(passages))
    return list(zip(passages, vectors, strict=True))

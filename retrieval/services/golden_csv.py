"""Golden questions from and to CSV files, as spreadsheets write them. With the tenant in force.

A cell that holds several values has each on a line of its own, or parted by "|". What is imported
again replaces what is expected of the same question, as far as the file has columns for it. A file is
taken as a whole or not at all.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from django.db import transaction

from ragadmin.csv_export import FORMULA_STARTS
from ragadmin.errors import InvalidRequest, RagadminError
from retrieval.services.golden import (
    MOST_QUESTIONS,
    add_golden_question,
    find_golden_question,
    update_golden_question,
    visible_questions,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from retrieval.models import GoldenQuestion

COLUMNS = (
    "question", "expected_paths", "expected_answer", "must_contain", "must_abstain",
    "access_levels", "note",
)  # fmt: skip
LISTS = ("expected_paths", "must_contain", "access_levels")
YES, NO = frozenset({"yes", "true", "1", "x", "y"}), frozenset({"no", "false", "0", "", "n"})
MOST_BYTES = 10 * 1024 * 1024
MOST_ERRORS = 50
_PARTS = re.compile(r"[|\n\r]+")


@dataclass(frozen=True, slots=True)
class RowError:
    """`line` of the file, counted from 1; a quoted cell may go over several."""

    line: int
    message: str


@dataclass(slots=True)
class Imported:
    added: int = 0
    updated: int = 0
    errors: list[RowError] = field(default_factory=list[RowError])
    # By question: where it stands in the file.
    lines: dict[UUID, int] = field(default_factory=dict["UUID", int])

    def as_json(self) -> dict[str, Any]:
        errors = [{"line": each.line, "message": each.message} for each in self.errors]
        return {"added": self.added, "updated": self.updated, "errors": errors}


class _Refused(Exception):
    """Takes back what was written of a file with errors."""


def import_questions(content: bytes, *, created_by: str, allowed_levels: Sequence[str]) -> Imported:
    """Nothing is kept if there are errors; they name at most MOST_ERRORS lines.

    Raises InvalidRequest for what is no such table at all.
    """
    rows = _read(content)
    done = Imported()
    try:
        with transaction.atomic():
            for line, row in rows:
                _import_row(line, row, done, created_by, allowed_levels)
                if len(done.errors) >= MOST_ERRORS:
                    break
            if done.errors:
                raise _Refused
    except _Refused:
        done.added = done.updated = 0
    return done


def _import_row(
    line: int,
    row: dict[str, str],
    done: Imported,
    created_by: str,
    allowed_levels: Sequence[str],
) -> None:
    try:
        with transaction.atomic():
            values = _values(row, allowed_levels)
            known = find_golden_question(
                question=values["question"], access_levels=values["access_levels"]
            )
            if known is None:
                known = add_golden_question(
                    **values, origin="csv", created_by=created_by, allowed_levels=allowed_levels
                )
                done.added += 1
            elif known.id in done.lines:
                raise InvalidRequest(
                    f"Line {done.lines[known.id]} has the same question, asked as the same levels."
                )
            else:
                update_golden_question(
                    question_id=known.id, changes=values, allowed_levels=allowed_levels
                )
                done.updated += 1
            done.lines[known.id] = line
    except RagadminError as error:
        done.errors.append(RowError(line, error.message))


def _values(row: dict[str, str], allowed_levels: Sequence[str]) -> dict[str, Any]:
    """Of the columns that the file has."""
    values: dict[str, Any] = {
        name: _unsafe(row[name]).strip() for name in COLUMNS if name in row and name not in LISTS
    }
    for name in LISTS:
        if name in row:
            parts = [_unsafe(part.strip()) for part in _PARTS.split(row[name])]
            values[name] = [part for part in parts if part]
    values["access_levels"] = values.get("access_levels") or list(allowed_levels)
    if "must_abstain" in values:
        values["must_abstain"] = _is_yes(values["must_abstain"])
    return values


def _is_yes(text: str) -> bool:
    if text.casefold() not in YES | NO:
        raise InvalidRequest(f"must_abstain is yes or no, not {text!r}.")
    return text.casefold() in YES


def _unsafe(text: str) -> str:
    """Without the quote that the export puts before what a spreadsheet would calculate."""
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA_STARTS) else text


def _read(content: bytes) -> list[tuple[int, dict[str, str]]]:
    """Rows with the line they begin at; empty ones are left out."""
    text = _decode(content)
    separator = _separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[tuple[int, dict[str, str]]] = []
    names: list[str] = []
    begins = 1
    try:
        for cells in reader:
            line, begins = begins, reader.line_num + 1
            if not names:
                names = _check_header(cells)
            elif any(cell.strip() for cell in cells):
                rows.append((line, _named(line, names, cells, separator)))
    except csv.Error as error:
        raise InvalidRequest(f"Line {reader.line_num} is not CSV: {error}.") from error
    if not rows:
        raise InvalidRequest("The file has no questions: one row each, below the names of columns.")
    if len(rows) > MOST_QUESTIONS:
        raise InvalidRequest(f"A file has at most {MOST_QUESTIONS:,} questions.")
    return rows


def _named(line: int, names: Sequence[str], cells: Sequence[str], separator: str) -> dict[str, str]:
    if any(cell.strip() for cell in cells[len(names) :]):
        raise InvalidRequest(
            f"Line {line} has more cells than there are columns: a cell with {separator!r} in it has "
            "to stand in double quotes."
        )
    return dict(zip_longest(names, cells[: len(names)], fillvalue=""))


def _decode(content: bytes) -> str:
    if len(content) > MOST_BYTES:
        raise InvalidRequest(f"The file is larger than {MOST_BYTES // 1024**2} MB.")
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"The file is not UTF-8 (byte {error.start + 1}): save it as “CSV UTF-8”."
        ) from error


def _separator(text: str) -> str:
    """Semicolons are what spreadsheets write where the comma parts decimals."""
    header = text.split("\n", 1)[0]
    return max((",", ";", "\t"), key=header.count)


def _check_header(cells: Sequence[str]) -> list[str]:
    names = [cell.strip().casefold().replace(" ", "_") for cell in cells]
    known = f"The columns are {', '.join(COLUMNS)}; only question has to be there."
    if "question" not in names:
        raise InvalidRequest(f"The first line has no column named question. {known}")
    if unknown := [name for name in names if name not in COLUMNS and name]:
        raise InvalidRequest(f"There is no column {unknown[0]!r}. {known}")
    named = [name for name in names if name]
    if len(set(named)) < len(named):
        raise InvalidRequest(f"A column is there twice. {known}")
    return names


def export_rows(access_levels: Sequence[str]) -> Iterator[list[str]]:
    """The header first. As import_questions takes them."""
    yield list(COLUMNS)
    for row in visible_questions(access_levels).order_by("created_at", "id"):
        yield [_cell(row, name) for name in COLUMNS]


def _cell(row: GoldenQuestion, name: str) -> str:
    value = getattr(row, name)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "\n".join(value) if isinstance(value, list) else value

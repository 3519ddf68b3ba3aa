"""Markdown files of about 2 kB in three sections, of words that no two sections share in the same order."""

from __future__ import annotations

import os
import random
import time
from pydoc_data.topics import topics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SECTIONS = 3
SECTION_CHARACTERS = 620
FILES_A_FOLDER = 100
# A file that was written this moment is read again by the next sync: it may be changing still.
OLD_SECONDS = 86_400


def write_files(folder: Path, count: int) -> None:
    words = _words()
    for number in range(count):
        path = folder / f"{number // FILES_A_FOLDER:04}" / f"{number:06}.md"
        if number % FILES_A_FOLDER == 0:
            path.parent.mkdir(parents=True)
        _write(path, page(number, words), OLD_SECONDS)


def page(number: int, words: list[str], version: int = 0) -> str:
    """`version` changes the second section of the three."""
    parts = [f"# Page {number}"]
    for section in range(SECTIONS):
        seed = f"{number} {section} {version if section == 1 else 0}"
        parts.append(f"## Section {section + 1} of page {number}\n\n{_text(words, seed)}")
    return "\n\n".join(parts) + "\n"


def _write(path: Path, text: str, age_seconds: float) -> None:
    path.write_text(text)
    then = time.time() - age_seconds
    os.utime(path, (then, then))


def _text(words: list[str], seed: str) -> str:
    chosen = random.Random(seed)
    text = " ".join(chosen.choices(words, k=SECTION_CHARACTERS // 5))[:SECTION_CHARACTERS]
    return text.capitalize() + "."


def _words() -> list[str]:
    found = {word for text in topics.values() for word in text.split() if word.isalpha()}
    return sorted(found)


def touch_all(folder: Path, ahead_seconds: int) -> None:
    """All modification times move, no content."""
    for path in folder.rglob("*.md"):
        now = path.stat().st_mtime + ahead_seconds
        os.utime(path, (now, now))


def change_share(folder: Path, share: float, version: int) -> int:
    """One section of every so many files; returns of how many."""
    words = _words()
    step = round(1 / share)
    changed = sorted(folder.rglob("*.md"))[version % step :: step]
    for path in changed:
        _write(path, page(int(path.stem), words, version), OLD_SECONDS // 2)
    return len(changed)

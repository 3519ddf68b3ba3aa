"""Pages of a PDF that are pictures: drawn, read by text recognition, and put where they belong."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

from kreuzberg import render_pdf_page
from kreuzberg.exceptions import KreuzbergError

from ragadmin.errors import ExtractionError
from retrieval.indexing import ocr

if TYPE_CHECKING:
    from kreuzberg import ExtractionResult

DPI = 200
LEAST_DPI = 50
# A page of A3 at that resolution has half of it. Larger ones are drawn coarser.
MAX_PIXELS = 16_000_000
MAX_PAGES = 50
# Below the limit of the process, so that a document with text keeps what it has.
SECONDS = 45.0
# A page with fewer letters has a number or a stamp on it: what it says is in a picture, if anywhere.
FEW_LETTERS = 25
POINTS_PER_INCH = 72


@dataclass(frozen=True, slots=True)
class Page:
    number: int
    text: str
    width: float
    height: float

    @property
    def dpi(self) -> int:
        area = self.width * self.height / POINTS_PER_INCH**2
        return int(min(DPI, (MAX_PIXELS / area) ** 0.5)) if area > 0 else 0


def read_scans(data: bytes, result: ExtractionResult) -> str:
    """The Markdown of the PDF with the text of its scanned pages, as far as there are any.

    Raises ExtractionError where a PDF of scans alone cannot be read in time.
    """
    pages = list_pages(result)
    scanned = [page for page in pages if count_letters(page.text) < FEW_LETTERS]
    if not scanned:
        return result.content
    only_scans = len(scanned) == len(pages)
    if only_scans and len(scanned) > MAX_PAGES:
        raise ExtractionError(
            f"The PDF has {len(scanned)} scanned pages: the text of at most {MAX_PAGES} can be"
            " recognised in one file. Split it into smaller documents.",
            code="too_large",
        )
    texts = recognise(data, scanned[:MAX_PAGES], strict=only_scans)
    return insert(result.content, pages, texts)


def list_pages(result: ExtractionResult) -> list[Page]:
    structure: Any = result.metadata.get("pages") or {}
    sizes = {
        page["number"]: page.get("dimensions") or (0, 0) for page in structure.get("pages") or ()
    }
    return [
        Page(page["page_number"], page["content"], *sizes.get(page["page_number"], (0, 0)))
        for page in result.pages or ()
    ]


def recognise(data: bytes, pages: list[Page], *, strict: bool) -> dict[int, str]:
    """By page number. Unless `strict`, a document keeps what could be read in time."""
    deadline = time.monotonic() + SECONDS
    texts: dict[int, str] = {}
    failure: ExtractionError | None = None
    with NamedTemporaryFile(suffix=".pdf") as file:
        file.write(data)
        file.flush()
        for page in pages:
            try:
                text = recognise_page(file.name, page, deadline - time.monotonic())
            except ExtractionError as error:
                failure = error
                if error.code == "timeout":
                    break
                continue
            if not page.text.strip() or count_letters(text) >= 2 * FEW_LETTERS:
                texts[page.number] = text
    if strict and failure and (failure.code == "timeout" or not texts):
        raise failure
    return texts


def recognise_page(path: str, page: Page, seconds: float) -> str:
    if seconds <= 0:
        raise ocr.took_too_long()
    if page.dpi < LEAST_DPI:
        return ""
    try:
        picture = render_pdf_page(path, page.number - 1, dpi=page.dpi)
    except KreuzbergError:
        return ""
    return ocr.read_picture(picture, seconds, page.dpi)


def insert(content: str, pages: list[Page], texts: dict[int, str]) -> str:
    """Each recognised text before the line with which the next page begins, else at the end."""
    parts: list[str] = []
    waiting: list[str] = []
    place = 0
    for page in pages:
        start = find_line(content, first_line(page.text), place) if page.text.strip() else -1
        if start >= 0 and waiting:
            parts += [content[place:start], *waiting]
            place, waiting = start, []
        if text := texts.get(page.number):
            waiting.append(text)
    parts += [content[place:], *waiting]
    return "\n\n".join(stripped for part in parts if (stripped := part.strip("\n"))) + "\n"


def first_line(text: str) -> str:
    return text.strip().splitlines()[0].strip()


def find_line(content: str, line: str, start: int) -> int:
    """Where the line of `content` begins that holds that one; -1 if none does."""
    found = content.find(line, start)
    return content.rfind("\n", start, found) + 1 or start if found >= 0 else -1


def count_letters(text: str) -> int:
    return len(re.findall(r"\w", text))

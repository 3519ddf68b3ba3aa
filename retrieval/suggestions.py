"""Questions to begin with, made from the headings of the tenant's own documents."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from retrieval.indexing.chunking import SEPARATOR
from retrieval.models import Document
from retrieval.selectors import searched_chunks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from uuid import UUID

MOST = 6
DOCUMENTS_READ = 12
PASSAGES_READ = 40
LONGEST_HEADING = 60
# Headings that stand in any document and say nothing about this one.
GENERIC = {
    "about", "abstract", "appendix", "changelog", "conclusion", "contents", "contributing",
    "example", "examples", "further reading", "getting started", "index", "introduction",
    "license", "notes", "overview", "preface", "quick start", "readme", "references",
    "see also", "summary", "table of contents", "usage",
}  # fmt: skip
# `1.2 Whistling`, `3) Lids`, `b. Spouts`, but not `3 ways to boil` or `A local server`.
_LEADING_NUMBER = re.compile(r"^(?:\d+(?:\.\d+)+|\d+[.):]|[A-Za-z][.)])[.):]?\s+")


def suggest_questions(access_levels: Sequence[str]) -> list[str]:
    """Up to six, one per document as long as there are enough; the same for the same documents."""
    documents = list(
        Document.objects.filter(
            status=Document.Status.READY, access_level__in=access_levels, chunk_count__gt=0
        )
        .order_by("-chunk_count", "path")
        .only("id", "title", "path")[:DOCUMENTS_READ]
    )
    headings = _headings_of([document.id for document in documents], access_levels)
    queues = [list(_questions(document, headings[document.id])) for document in documents]
    return _one_each(queues)[:MOST]


def _headings_of(ids: list[UUID], access_levels: Sequence[str]) -> dict[UUID, list[str]]:
    rows = (
        searched_chunks()
        .filter(document__in=ids, access_level__in=access_levels, ordinal__lt=PASSAGES_READ)
        .order_by("document_id", "ordinal")
        .values_list("document_id", "heading_path")
    )
    headings: dict[UUID, list[str]] = defaultdict(list)
    for document_id, heading_path in rows:
        headings[document_id].append(heading_path)
    return headings


def _questions(document: Document, heading_paths: Iterable[str]) -> Iterator[str]:
    subject = document.title or document.path.rsplit("/", 1)[-1]
    usable = (plain_heading(path) for path in heading_paths)
    for heading in dict.fromkeys(filter(None, usable)):
        if heading.casefold() == subject.casefold():
            continue
        yield heading if heading.endswith("?") else f"What does “{subject}” say about “{heading}”?"
    yield f"What is “{subject}” about?"


def plain_heading(heading_path: str) -> str:
    """The innermost heading, or nothing when it would make a poor question."""
    heading = heading_path.rsplit(SEPARATOR, 1)[-1].strip("`*_# ")
    heading = _LEADING_NUMBER.sub("", heading).strip()
    wrong_length = not 3 <= len(heading) <= LONGEST_HEADING
    return "" if wrong_length or heading.casefold() in GENERIC else heading


def _one_each(queues: list[list[str]]) -> list[str]:
    longest = max(map(len, queues), default=0)
    turns = (queue[turn] for turn in range(longest) for queue in queues if turn < len(queue))
    return list(dict.fromkeys(turns))

"""A run as one person may see it: what was asked above their access levels is withheld, and so is an
answer that drew on a document which is above them by now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retrieval.evaluation.compare import Pair, compare
from retrieval.models import Document

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from retrieval.models import Evaluation

    Result = dict[str, Any]

# Of an answer that is withheld.
DOCUMENTS_SAID = ("answer", "citations", "hits", "missing")


@dataclass(frozen=True, slots=True)
class SeenResults:
    """`hidden`: how many results are left out."""

    results: list[Result]
    hidden: int


def see_results(run: Evaluation, access_levels: Iterable[str]) -> SeenResults:
    (seen,) = _see([run], access_levels)
    return seen


def see_pairs(
    before: Evaluation | None, after: Evaluation, access_levels: Iterable[str]
) -> tuple[list[Pair], int]:
    """What a reader may see of two runs side by side, and how many questions are hidden."""
    if before is None:
        seen = see_results(after, access_levels)
        return compare([], seen.results), seen.hidden
    old, new = _see([before, after], access_levels)
    return compare(old.results, new.results), max(old.hidden, new.hidden)


def _see(runs: Sequence[Evaluation], access_levels: Iterable[str]) -> list[SeenResults]:
    allowed = frozenset(access_levels)
    kept = [[each for each in run.results if set(each["access_levels"]) <= allowed] for run in runs]
    present = _present_levels([each for results in kept for each in results])
    return [
        SeenResults(
            [_withheld(each, present, allowed) for each in results], len(run.results) - len(results)
        )
        for run, results in zip(runs, kept, strict=True)
    ]


def _present_levels(results: list[Result]) -> dict[str, str]:
    rows = [row for each in results for row in each.get("hits", ())]
    ids = {row["document_id"] for row in rows}
    found = Document.objects.filter(id__in=ids).values_list("id", "access_level") if ids else ()
    return {str(document_id): level for document_id, level in found}


def _withheld(result: Result, present: dict[str, str], allowed: frozenset[str]) -> Result:
    levels = {
        level
        for hit in result.get("hits", ())
        for level in (hit["access_level"], present.get(hit["document_id"]))
        if level
    }
    if levels <= allowed:
        return result | {"withheld": False}
    kept = {name: value for name, value in result.items() if name not in DOCUMENTS_SAID}
    return kept | {"answer": "", "citations": [], "hits": [], "missing": [], "withheld": True}

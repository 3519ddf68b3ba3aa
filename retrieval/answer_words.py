"""What is known of a recorded answer, in words: where it came from, what answered, what was wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retrieval.cost_words import cost_of
from retrieval.models import CacheEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from django.db.models import QuerySet

    from retrieval.models import QueryTrace
    from retrieval.trace_view import TraceView

FAILED = {
    "model_timeout": "timed out",
    "model_unreachable": "could not be reached",
    "model_interrupted": "broke off",
    "model_invalid": "answered with something unreadable",
    "no_room": "could have passed the budget",
}
DEGRADED = {
    "redis": "The answer cache is away: this answer was made anew, and limits are not counted exactly.",
    "embedder": "The embedding model is away: the documents were searched by words alone.",
    "model": "No model could be reached: quoted from your documents.",
    "reranker": "The reranker is away: the passages are in the order of the search.",
}
BUDGET = {
    "small_model": "The budget is used up in large part: the small model answers.",
    "fewer_passages": "The budget is nearly used up: the small model answers from fewer passages.",
    "no_model": "The budget allows no model at present: from the cache, or quoted from your documents.",
}
CACHES = {
    "none": "not used",
    "exact": "the same question",
    "semantic": "a question that means the same",
    "llm": "the model's reply to the same prompt",
}
VERDICTS = {
    "same": "answered in full as well: the same",
    "different": "answered in full as well: different",
}
FATES = {
    "cited": "Cited",
    "shown": "Shown, not cited",
    "ranked_out": "Others ranked higher",
    "duplicate": "Says the same as one above",
    "too_far": "Not near enough",
}


@dataclass(frozen=True, slots=True)
class AnswerWords:
    """`asked_as`: the like question whose answer this is. `origin`: the trace that made it."""

    view: TraceView
    fallback: str = ""
    notes: tuple[str, ...] = ()
    asked_as: str = ""
    origin: UUID | None = None

    @property
    def trace(self) -> QueryTrace:
        return self.view.trace

    @property
    def is_cached(self) -> bool:
        return self.trace.cache in ("exact", "semantic")

    @property
    def has_badge(self) -> bool:
        return self.trace.cache != "none" or self.is_quoted

    @property
    def is_quoted(self) -> bool:
        return self.is_extractive and not self.trace.abstained

    @property
    def is_extractive(self) -> bool:
        return self.trace.model == "extractive"


def describe(views: Iterable[TraceView], *, visible: QuerySet[QueryTrace]) -> list[AnswerWords]:
    """Two queries for all of them, and none where nothing came from the cache.

    What was asked is told only of traces that are `visible` to the reader: the wording of a question
    is somebody's own.
    """
    views = list(views)
    ids = {view.trace.cache_entry_id for view in views if view.trace.cache != "none"} - {None}
    entries = CacheEntry.objects.only("question", "trace_id").in_bulk(ids) if ids else {}
    origins = {entry.trace_id for entry in entries.values()}
    seen = set(visible.filter(id__in=origins).values_list("id", flat=True)) if origins else set()
    known = {key: entry for key, entry in entries.items() if entry.trace_id in seen}
    return [_describe(view, known.get(view.trace.cache_entry_id)) for view in views]


def _describe(view: TraceView, entry: CacheEntry | None) -> AnswerWords:
    trace = view.trace
    is_other = entry is not None and trace.cache == "semantic" and not view.withheld
    made_here = entry is not None and entry.trace_id != trace.pk and trace.cache != "none"
    return AnswerWords(
        view=view,
        fallback=_fallback(trace),
        notes=tuple(_notes(trace)),
        asked_as=entry.question if entry and is_other else "",
        origin=entry.trace_id if entry and made_here else None,
    )


def _fallback(trace: QueryTrace) -> str:
    """Such as: gpt-4o timed out, answered by gpt-4o-mini."""
    tried = [
        f"{each['model']} {failure_words(each['error'])}" for each in trace.route.get("tried", [])
    ]
    if not tried:
        return ""
    end = (
        "quoted from your documents"
        if trace.model == "extractive"
        else f"answered by {trace.model}"
    )
    return ", ".join([*tried, end])


def failure_words(code: str) -> str:
    return FAILED.get(code, "failed")


def _notes(trace: QueryTrace) -> Iterable[str]:
    # Of models that failed, the fallback says more.
    said = {"model"} if trace.route.get("tried") else set[str]()
    yield from (DEGRADED[part] for part in trace.degraded if part in DEGRADED and part not in said)
    if trace.budget_step in BUDGET:
        yield BUDGET[trace.budget_step]


def hit_rows(view: TraceView) -> list[dict[str, Any]]:
    """The passages that the model was shown, and what became of each."""
    cited = {row["chunk_id"] for row in view.trace.citations}
    return [_hit_row(hit, is_cited=hit["chunk_id"] in cited) for hit in view.hits]


def _hit_row(hit: dict[str, Any], *, is_cited: bool) -> dict[str, Any]:
    left_out = hit.get("left_out") or 0
    whole = left_out + (hit.get("shown_chars") or 0)
    return {
        **hit,
        "fate_words": FATES["cited" if is_cited else "shown"],
        "is_cited": is_cited,
        "shortened_percent": round(100 * left_out / whole) if whole else 0,
    }


def prompt_words(view: TraceView) -> str:
    """Why there is no prompt to be seen; empty where there is one."""
    trace = view.trace
    if view.prompt:
        return ""
    if view.prompt_withheld:
        return (
            "The prompt holds passages that are above your access levels, or of documents that were "
            "deleted or raised since, so it is not shown."
        )
    if trace.cache in ("exact", "semantic"):
        return "No model was asked: the answer was kept. Its prompt is with the answer it was made for."
    if trace.model == "extractive":
        return "No model was asked: the answer is quoted from the passages, or says that there is none."
    return (
        "No model began to answer." if trace.status != "succeeded" else "The prompt was not kept."
    )


def dropped_rows(view: TraceView) -> list[dict[str, Any]]:
    return [{**row, "why": FATES.get(row["fate"], row["fate"])} for row in view.dropped]


def route_facts(trace: QueryTrace) -> dict[str, Any]:
    """For the trace's own page."""
    tried = [
        {**each, "words": failure_words(each["error"])} for each in trace.route.get("tried", [])
    ]
    features = trace.route.get("features", {})
    return {
        "tried": tried,
        "features": [(name.replace("_", " "), value) for name, value in features.items()],
        "cache_words": CACHES.get(trace.cache, trace.cache),
        "budget_words": BUDGET.get(trace.budget_step, trace.budget_step),
        "verdict_words": VERDICTS.get(trace.shadow_verdict, trace.shadow_verdict),
    }


def shadow_of(view: TraceView, access_levels: Sequence[str]) -> dict[str, Any] | None:
    """A cache hit that was answered in full as well. That answer may rest on other passages than the
    hit, so its text is for those who may read all that the asker might."""
    trace = view.trace
    if not trace.shadow:
        return None
    may_read = not view.withheld and set(trace.access_levels) <= set(access_levels)
    return {
        "is_same": trace.shadow_verdict == "same",
        "reason": trace.shadow.get("reason", ""),
        "cosine": trace.shadow.get("cosine"),
        "cost_usd": cost_of(trace.shadow.get("calls", ())),
        "model": trace.shadow.get("model", ""),
        "answer": trace.shadow.get("answer", "") if may_read else "",
    }

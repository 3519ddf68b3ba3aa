"""From the evidence to one of seven outcomes, in the order in which an answer can get lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from retrieval.models import Document, Feedback
from retrieval.query.diversity import Fingerprint

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from retrieval.diagnosis.case import Case
    from retrieval.diagnosis.evidence import Evidence
    from retrieval.types import Hit

Diagnosis = Feedback.Diagnosis

# A passage that the asker may read and that is so near the best one is as good.
AS_GOOD = 0.1
# What the rater calls missing is not in what the answer cites, if another passage has nearly the
# evidence.
NEARLY_AS_GOOD = 0.25
SOMETHING_MISSING = ("incomplete", "not_found")
# A model that read the passage and cites nothing has looked as well: so much more evidence says that it
# was wrong. Unless the rater knows that the documents say it.
AGAINST_THE_MODEL = 0.2
THEY_SAY_IT = "not_found"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`best`: the passage that holds the answer. `facts`: what the explanation names."""

    diagnosis: str
    best: Hit | None = None
    facts: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Version:
    created_at: datetime
    indexed_at: datetime | None

    @property
    def changed_at(self) -> datetime:
        return max(self.created_at, self.indexed_at or self.created_at)


def judge(case: Case, evidence: Evidence, versions: dict[str, Version]) -> Verdict:
    """All but compressed_away, which an `ignored` may turn out to be, or believe_model. `versions` of
    the documents by their id as text."""
    if not evidence.strong:
        return Verdict(Diagnosis.NOT_IN_CORPUS)
    best = _best(case, evidence)
    if best.access_level not in case.levels:
        return Verdict(Diagnosis.NOT_PERMITTED, best)
    if stale := _stale(case, evidence, best, versions):
        return stale
    if _was_shown(case, evidence, best):
        return Verdict(Diagnosis.IGNORED, best, _how_used(case, best))
    for place, row in enumerate(case.dropped, start=1):
        if row["chunk_id"] == best.chunk_id:
            facts = {"fate": row["fate"], "shown": len(case.hits), "place": len(case.hits) + place}
            return Verdict(Diagnosis.RANKED_OUT, best, facts)
    return Verdict(Diagnosis.NOT_RETRIEVED, best, _why_not_found(case, evidence, best))


def read_versions(case: Case, evidence: Evidence) -> dict[str, Version]:
    """With the tenant in force."""
    ids: set[str | UUID] = {hit.document_id for hit in evidence.hits}
    ids |= {row["document_id"] for row in case.hits}
    rows = Document.objects.filter(id__in=ids).values_list("id", "created_at", "indexed_at")
    return {str(key): Version(created, indexed) for key, created, indexed in rows}


def _best(case: Case, evidence: Evidence) -> Hit:
    """Of those as good as each other one that the asker may read, and that the answer does not cite
    where something is missing."""
    strong = evidence.strong
    most = evidence.scores[strong[0].chunk_id]
    readable = [hit for hit in strong if hit.access_level in case.levels]
    if not readable or evidence.scores[readable[0].chunk_id] < most - AS_GOOD:
        return strong[0]
    if case.reason in SOMETHING_MISSING:
        enough = evidence.scores[readable[0].chunk_id] - NEARLY_AS_GOOD
        for hit in readable:
            if hit.chunk_id not in case.cited and evidence.scores[hit.chunk_id] >= enough:
                return hit
    return readable[0]


def _stale(
    case: Case, evidence: Evidence, best: Hit, versions: dict[str, Version]
) -> Verdict | None:
    version = versions.get(best.document_id)
    recorded = {row["chunk_id"] for row in (*case.hits, *case.dropped)}
    if version and version.created_at > case.asked_at:
        return Verdict(Diagnosis.STALE, best, {"since": "added"})
    # A passage that is still the same keeps its id.
    if version and version.changed_at > case.asked_at and best.chunk_id not in recorded:
        return Verdict(Diagnosis.STALE, best, {"since": "changed"})
    if evidence.context_differs:
        return Verdict(Diagnosis.STALE, best, {"since": "cache"})
    newer = _newer(case, evidence, versions) if case.reason == "outdated" else None
    return Verdict(Diagnosis.STALE, newer, {"since": "newer"}) if newer else None


def _newer(case: Case, evidence: Evidence, versions: dict[str, Version]) -> Hit | None:
    """The best passage of a document that is newer than all that the answer was made from."""
    used = {row["document_id"] for row in case.hits}
    dates = [versions[key].changed_at for key in used if key in versions]
    for hit in evidence.strong:
        version = versions.get(hit.document_id)
        if version is None or hit.document_id in used or hit.access_level not in case.levels:
            continue
        if all(version.changed_at > date for date in dates):
            return hit
    return None


def _was_shown(case: Case, evidence: Evidence, best: Hit) -> bool:
    """It, or a copy of it."""
    shown = set(case.hit_ids)
    if best.chunk_id in shown:
        return True
    copies = [Fingerprint(hit) for hit in evidence.hits if hit.chunk_id in shown]
    mine = Fingerprint(best)
    return any(mine.is_copy_of(other) for other in copies)


def believe_model(case: Case, evidence: Evidence, ignored: Verdict) -> Verdict:
    """Not in the corpus, where the model that was shown the passage found nothing in it, and that is
    more likely right than wrong."""
    needed = evidence.needed + AGAINST_THE_MODEL
    has_read = case.is_abstained and not case.is_quoted and case.reason != THEY_SAY_IT
    if not has_read or ignored.best is None or evidence.scores[ignored.best.chunk_id] >= needed:
        return ignored
    return Verdict(Diagnosis.NOT_IN_CORPUS, None, {"read": True, "needed": round(needed, 3)})


def _how_used(case: Case, best: Hit) -> dict[str, Any]:
    return {
        "abstained": case.is_abstained,
        "cited": best.chunk_id in case.cited,
        "quoted": case.is_quoted,
        "failed": case.is_failed,
        "model_away": "model" in case.degraded,
    }


def _why_not_found(case: Case, evidence: Evidence, best: Hit) -> dict[str, Any]:
    """`place`: where the question alone finds it among what the asker may read, from 1; 0: nowhere."""
    readable = {hit.chunk_id for hit in evidence.hits if hit.access_level in case.levels}
    order = [chunk_id for chunk_id in evidence.by_question if chunk_id in readable]
    place = order.index(best.chunk_id) + 1 if best.chunk_id in order else 0
    return {
        "place": place,
        "shown": len(case.hits),
        "asked_as": bool(case.asked_as),
        "by_words": "embedder" in case.degraded,
    }

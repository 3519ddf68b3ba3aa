"""A finished answer kept for the next, and where it was last proven to hold."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import sql

from retrieval.query import exact_cache
from retrieval.query.cached_answer import CachedAnswer, answer_of
from retrieval.query.config_hash import config_hash, exact_key
from retrieval.query.exact_cache import Published
from retrieval.query.proof import fingerprint, levels_of
from retrieval.vectors import as_halfvec

if TYPE_CHECKING:
    from retrieval.query.run import Run
    from tenants.pool import Statement

COLUMNS = (
    "id", "key", "question", "embedding", "rewrites", "config_hash", "access_levels",
    "corpus_revision", "context_fingerprint", "context_levels", "trace_id", "answer",
)  # fmt: skip
# Another answer has another id: a rating of the old one is none of the new. What was called a wrong
# pair with the question stays.
UPSERT = sql.SQL("""
INSERT INTO retrieval_cacheentry ({names}, expires_at)
VALUES ({values}, now() + make_interval(mins => %(minutes)s))
ON CONFLICT (tenant_id, key) DO UPDATE SET ({names}, expires_at) = ({new}, excluded.expires_at),
    evicted_at = NULL, created_at = now()
""").format(
    names=sql.SQL(", ").join(map(sql.Identifier, COLUMNS)),
    values=sql.SQL(", ").join(map(sql.Placeholder, COLUMNS)),
    new=sql.SQL(", ").join(sql.SQL("excluded.") + sql.Identifier(name) for name in COLUMNS),
)
NOTE_REVISION = sql.SQL("""
UPDATE retrieval_cacheentry SET corpus_revision = %(revision)s
WHERE id = %(id)s AND corpus_revision < %(revision)s
""")


@dataclass(frozen=True, slots=True)
class Kept:
    """What the exact cache is to know once all is committed, and for how many seconds."""

    key: str
    published: Published
    seconds: float


@dataclass(frozen=True, slots=True)
class CacheHit:
    """`kept` where the exact cache may give it the next time. `is_proven_anew`: by a search, as the
    documents or the levels are others than when it was last seen to hold."""

    question: str
    kept: Kept | None
    is_proven_anew: bool
    has_own_levels: bool


def keep(run: Run) -> tuple[Kept | None, list[Statement]]:
    """What keeps a new answer, or notes at which revision a kept one was proven.

    Sets the trace's entry.
    """
    if run.hit is not None:
        if not (run.hit.is_proven_anew and run.hit.has_own_levels):
            return run.hit.kept, []
        values = {"id": run.outcome.cache_entry_id, "revision": run.corpus_revision}
        return run.hit.kept, [(NOTE_REVISION, values)]
    if not _may_be_kept(run):
        return None, []
    assert run.vector is not None
    assert run.corpus_revision is not None
    answer = answer_of(run, str(uuid.uuid4()))
    run.outcome.cache_entry_id = answer.entry_id
    minutes = run.caller.tenant.query.cache_ttl_minutes
    published = Published(run.corpus_revision, answer)
    kept = Kept(exact_key(run.caller, run.request, run.question), published, minutes * 60)
    return kept, [(UPSERT, {**_row(run, answer), "minutes": minutes})]


async def publish(run: Run, kept: Kept) -> None:
    """Makes a kept answer known to the exact cache, after the commit. Never fails."""
    await exact_cache.publish(run.caller.tenant, kept.key, kept.published, kept.seconds)


def _may_be_kept(run: Run) -> bool:
    """Only what the next one who asks would be given just so by a full run."""
    outcome, route = run.outcome, run.outcome.route
    return bool(
        run.caller.tenant.query.cache
        and outcome.status == "succeeded"
        and outcome.cache in {"none", "llm"}
        and outcome.hits
        and outcome.finish_reason in {"stop", "length"}
        and run.vector is not None
        and run.corpus_revision is not None
        and not run.history_in_prompt
        and not run.purse.step
        and set(run.degraded) <= {"redis"}
        and route is not None
        and not route.tried
    )


def _row(run: Run, answer: CachedAnswer) -> dict[str, Any]:
    outcome = run.outcome
    assert run.vector is not None
    return {
        "id": answer.entry_id,
        "key": exact_key(run.caller, run.request, run.question),
        "question": run.question,
        "embedding": as_halfvec(run.vector),
        "rewrites": json.dumps(run.rewrites),
        "config_hash": config_hash(run.caller.tenant, run.request),
        "access_levels": sorted(run.caller.access_levels),
        "corpus_revision": run.corpus_revision,
        "context_fingerprint": fingerprint(outcome.hits),
        "context_levels": levels_of(outcome.hits),
        "trace_id": run.id,
        "answer": json.dumps(answer.as_json()),
    }

"""The ledger's statements: each makes rows of a trace in the transaction that changes it.

In the database alone, so that an answer costs no values sent twice, and so that books rebuilt from the
traces are the very same.
"""

from __future__ import annotations

from retrieval import events

# The columns of a row, and each of them from the trace `t`. Savings are of the answer as it was given.
COLUMNS = """
id, asked_at, tenant_id, answer_id, entry, model, cache, questions, errors, cancelled, abstained, degraded,
simulated, unpriced, passages, duration_ms, first_token_ms, similarity_avg, input_tokens, output_tokens,
saved_tokens, cost_usd, saved_cache_usd, saved_routing_usd, saved_compression_usd, calls
"""
KNOWN_COST = """
coalesce((SELECT sum((call->>'cost_usd')::numeric) FROM jsonb_array_elements(t.calls) call), 0)
"""
OF_ANSWERS = f"""
INSERT INTO public.monitoring_querymetric ({COLUMNS})
SELECT t.id, t.created_at, t.tenant_id, t.id, 'answer', t.model, t.cache, 1, (t.status = 'failed')::int,
    (t.status = 'cancelled')::int, t.abstained::int, (t.degraded <> '{{}}')::int, t.is_simulated::int,
    (t.total_cost_usd IS NULL AND t.status <> 'failed')::int, jsonb_array_length(t.hits), t.duration_ms,
    t.first_token_ms, t.similarity_avg, t.input_tokens, t.output_tokens, t.saved_tokens,
    coalesce(t.total_cost_usd, {KNOWN_COST}),
    coalesce((t.saved->>'cache')::numeric, 0), coalesce((t.saved->>'routing')::numeric, 0),
    coalesce((t.saved->>'compression')::numeric, 0), t.calls
FROM retrieval_querytrace t
"""  # noqa: S608
# Whatever the thumbs were, the rows of one answer add up to those it has now.
OF_RATINGS = """
INSERT INTO public.monitoring_querymetric
    (id, asked_at, tenant_id, answer_id, entry, model, cache, up, down)
SELECT gen_random_uuid(), t.created_at, t.tenant_id, t.id, 'rating', t.model, t.cache, {up}, {down}
FROM retrieval_querytrace t
"""
# What a sample cost is no cost of its answer, but it is spent.
OF_SAMPLES = """
INSERT INTO public.monitoring_querymetric
    (id, asked_at, tenant_id, answer_id, entry, model, cache, samples, false_hits, calls)
SELECT gen_random_uuid(), t.created_at, t.tenant_id, t.id, 'sample', t.model, t.cache, 1,
    (t.shadow_verdict = 'different')::int, coalesce(t.shadow->'calls', '[]')
FROM retrieval_querytrace t
"""
THESE = "WHERE t.id = ANY(%(answer_ids)s::uuid[])"
COMPLETED = f"{OF_ANSWERS} {THESE}"
RATED = f"{OF_RATINGS.format(up='%(up)s', down='%(down)s')} {THESE}"
SAMPLED = f"{OF_SAMPLES} {THESE}"


def keep_books() -> None:
    """From now on, for every trace that this process completes or changes."""
    events.ledger.completed = COMPLETED
    events.ledger.rated = RATED
    events.ledger.sampled = SAMPLED

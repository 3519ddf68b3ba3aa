"""The ledger's statements: each makes rows of a trace in the transaction that changes it.

In the database alone, so that an answer costs no values sent twice, and so that books rebuilt from the
traces are the very same.
"""

from __future__ import annotations

from retrieval import events

INTO = "INSERT INTO public.monitoring_querymetric"
FROM = "FROM retrieval_querytrace t"
# The columns of a row, and each of them from the trace `t`. Savings are of the answer as it was given.
ANSWER = """
id, asked_at, tenant_id, answer_id, entry, model, cache, questions, errors, cancelled, abstained, degraded,
simulated, unpriced, passages, duration_ms, first_token_ms, similarity_avg, input_tokens, output_tokens,
saved_tokens, cost_usd, saved_cache_usd, saved_routing_usd, saved_compression_usd, calls
"""
KNOWN_COST = """
coalesce((SELECT sum((call->>'cost_usd')::numeric) FROM jsonb_array_elements(t.calls) call), 0)
"""
# One that broke off has no total where its process ended with it: then nothing was counted.
IS_UNPRICED = """
CASE WHEN t.status = 'failed' THEN jsonb_path_exists(t.calls, '$[*] ? (@.cost_usd == null)')
    ELSE t.total_cost_usd IS NULL END
"""
OF_ANSWER = f"""
t.id, t.created_at, t.tenant_id, t.id, 'answer', t.model, t.cache, 1, (t.status = 'failed')::int,
(t.status = 'cancelled')::int, t.abstained::int, (t.degraded <> ARRAY[]::varchar[])::int, t.is_simulated::int,
({IS_UNPRICED})::int, jsonb_array_length(t.hits), t.duration_ms,
t.first_token_ms, t.similarity_avg, t.input_tokens, t.output_tokens, t.saved_tokens,
coalesce(t.total_cost_usd, {KNOWN_COST}),
coalesce((t.saved->>'cache')::numeric, 0) + coalesce((t.saved->>'embedding')::numeric, 0),
coalesce((t.saved->>'routing')::numeric, 0),
coalesce((t.saved->>'compression')::numeric, 0), t.calls
"""
# Whatever the thumbs were, the rows of one answer add up to those it has now.
RATING = "id, asked_at, tenant_id, answer_id, entry, model, cache, up, down"
OF_RATING = "gen_random_uuid(), t.created_at, t.tenant_id, t.id, 'rating', t.model, t.cache"
# What a sample cost is no cost of its answer, but it is spent.
SAMPLE = "id, asked_at, tenant_id, answer_id, entry, model, cache, samples, false_hits, calls"
OF_SAMPLE = """
gen_random_uuid(), t.created_at, t.tenant_id, t.id, 'sample', t.model, t.cache, 1,
(t.shadow_verdict = 'different')::int, coalesce(t.shadow->'calls', '[]')
"""
# What is paid for beside the answers leaves no trace: rebuilt books keep these rows as they are.
APART = "id, asked_at, tenant_id, answer_id, entry, model, cache, calls"
SPENT = f"""
{INTO} ({APART})
SELECT gen_random_uuid(), coalesce((r->>'asked_at')::timestamptz, now()),
    current_setting('ragadmin.tenant_id')::bigint, %(subject_id)s::uuid, %(entry)s, '', 'none', r->'calls'
FROM jsonb_array_elements(%(paid)s::jsonb) r WHERE jsonb_array_length(r->'calls') > 0
"""  # noqa: S608
THESE = "WHERE t.id = ANY(%(answer_ids)s::uuid[])"
COMPLETED = f"""
{INTO} ({ANSWER}) SELECT {OF_ANSWER} {FROM} {THESE} ON CONFLICT (tenant_id, asked_at, id) DO NOTHING
"""
# Where it was given up for dead, and counted as an error that cost nothing. The lock is for whoever is
# doing so just now.
TAKEN_BACK = f"""
{INTO} (id, asked_at, tenant_id, answer_id, entry, model, cache, questions, errors, simulated)
SELECT gen_random_uuid(), t.created_at, t.tenant_id, t.id, 'answer', t.model, t.cache, -1, -1,
    -t.is_simulated::int
FROM (SELECT * {FROM} {THESE} FOR UPDATE) t WHERE t.status = 'failed' AND t.error_code = 'interrupted'
"""  # noqa: S608
COMPLETED_LATE = f"""
{INTO} ({ANSWER}) SELECT {OF_ANSWER.replace("t.id", "gen_random_uuid()", 1)} {FROM} {THESE}
"""
RATED = f"{INTO} ({RATING}) SELECT {OF_RATING}, %(up)s, %(down)s {FROM} {THESE}"
SAMPLED = f"{INTO} ({SAMPLE}) SELECT {OF_SAMPLE} {FROM} {THESE}"
# All of a tenant's books from the traces, with `{xid}` as the number of the transaction.
FROM_TRACES = (
    f"""{INTO} ({ANSWER}, xid) SELECT {OF_ANSWER}, {{xid}} {FROM}
    WHERE t.status <> 'running' AND {{condition}}""",
    f"""{INTO} ({RATING}, xid)
    SELECT {OF_RATING}, (f.rating = 'up')::int, (f.rating = 'down')::int, {{xid}} {FROM}
    JOIN retrieval_feedback f ON f.trace_id = t.id AND f.tenant_id = t.tenant_id
    WHERE t.status <> 'running' AND {{condition}}""",
    f"""{INTO} ({SAMPLE}, xid) SELECT {OF_SAMPLE}, {{xid}} {FROM}
    WHERE t.shadow_verdict <> '' AND t.status <> 'running' AND {{condition}}""",
)


def keep_books() -> None:
    """From now on, for every trace that this process completes or changes."""
    events.ledger.completed = COMPLETED
    events.ledger.taken_back, events.ledger.completed_late = TAKEN_BACK, COMPLETED_LATE
    events.ledger.rated = RATED
    events.ledger.sampled = SAMPLED
    events.ledger.spent = SPENT

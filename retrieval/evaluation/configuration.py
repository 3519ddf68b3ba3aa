"""What a run's figures hold for: kept with the run, so that two runs can say in what they differed."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.conf import settings

from ragadmin.env import without_secrets
from ragadmin.errors import Conflict, InvalidRequest
from retrieval.evaluation.ask import Trial
from retrieval.query.config_hash import STEERING
from retrieval.query.request import parse_tuning
from retrieval.query.routing import check_model
from tenants.config import TUNED_COLUMNS, Caller
from tenants.query_words import WORDS, say_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenants.config import TenantConfig
    from tenants.models import Tenant

# Of `Evaluation.changes`: settings by name, the model by name, and the index that is being made.
CHANGES = ("settings", "model", "next_index")
LABELS = {
    "model": "Model",
    "endpoint": "Model endpoint",
    "routes": "Routes",
    "reranker": "Reranker",
    "embedding_model": "Embedding model",
    "chunk_tokens": "Passage size",
    "generation": "Index",
    "corpus_revision": "Revision of the documents",
}


def trial_of(tenant: TenantConfig, row: Tenant, changes: Mapping[str, Any]) -> Trial:
    """Raises InvalidRequest, and Conflict where the index on trial is gone."""
    if unknown := set(changes) - set(CHANGES):
        raise InvalidRequest(f"This cannot be tried: {', '.join(sorted(unknown))}.")
    asker = Caller(tenant, tenant.access_levels, frozenset(), "evaluation", may_tune=True)
    caller = parse_tuning({"settings": changes.get("settings")}, asker)
    if changes.get("next_index"):
        caller = replace(caller, tenant=_on_next_index(caller.tenant, row))
    model = changes.get("model") or "auto"
    check_model(model, caller.tenant)
    return Trial(caller, model)


def _on_next_index(tenant: TenantConfig, row: Tenant) -> TenantConfig:
    """Searched exactly: the next index has no HNSW index yet."""
    if row.next_generation is None:
        raise Conflict("No other index is being made.", code="no_reindex")
    assert row.next_embedding_dimension and row.next_chunk_tokens
    return replace(
        tenant,
        generation=row.next_generation,
        embedding_model=row.next_embedding_model,
        embedding_dimension=row.next_embedding_dimension,
        chunk_tokens=row.next_chunk_tokens,
        hnsw_ef=0,
    )


def describe(trial: Trial) -> dict[str, Any]:
    """Of the trial's configuration, all that its answers depend on."""
    tenant = trial.caller.tenant
    query = dataclasses.asdict(tenant.query)
    kept = {name: value for name, value in query.items() if name not in STEERING}
    endpoint = tenant.endpoint
    return {
        "settings": kept | {name: getattr(tenant, name) for name in TUNED_COLUMNS},
        "model": trial.model,
        "endpoint": endpoint
        and f"{endpoint.name} ({endpoint.small_model}, {endpoint.large_model})",
        "routes": [f"{route.tier}: {route.model}" for route in tenant.routes],
        "reranker": without_secrets(settings.RERANKER),
        "embedding_model": tenant.embedding_model,
        "chunk_tokens": tenant.chunk_tokens,
        "generation": tenant.generation,
        "corpus_revision": tenant.corpus_revision,
    }


def is_same(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """But for the documents' revision."""
    names = (set(before) | set(after)) - {"corpus_revision"}
    return all(before.get(name) == after.get(name) for name in names)


def say_differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """In words, label and old and new value. Nothing is said of a run that recorded nothing."""
    if not before or not after:
        return []
    said = [
        f"{WORDS[name][0]}: {say_value(name, old)} → {say_value(name, new)}"
        for name, old, new in _each(before.get("settings", {}), after.get("settings", {}))
        if name in WORDS
    ]
    for name, old, new in _each(before, after):
        if name in LABELS:
            said.append(f"{LABELS[name]}: {_say(old)} → {_say(new)}")
    return said


def _each(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    names = dict.fromkeys([*before, *after])
    return [
        (name, before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    ]


def _say(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value in (None, "") else str(value)


def read_changes(given: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is as it is in force."""
    changes = {name: value for name, value in given.items() if value}
    if changes.get("model") == "auto":
        del changes["model"]
    return changes


def say_trial(changes: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """In words, against the configuration that was in force."""
    old = before.get("settings", {})
    said = [
        f"{WORDS[name][0]}: {say_value(name, old.get(name))} → {say_value(name, value)}"
        for name, value in (changes.get("settings") or {}).items()
        if name in WORDS
    ]
    if model := changes.get("model"):
        said.append(f"Model: by the routes → {model}")
    return said + (
        ["The next index, before it is switched on"] if changes.get("next_index") else []
    )

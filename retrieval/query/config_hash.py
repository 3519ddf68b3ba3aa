"""What an answer depends on beside its question and the documents, as hashes.

A setting that is missing here would let an answer outlive it, so everything counts but what is named
in STEERING: a new setting takes part by itself.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from retrieval.providers import extractive

if TYPE_CHECKING:
    from retrieval.query.request import AnswerRequest
    from tenants.config import Caller, ModelEndpoint, TenantConfig

# Settings that steer what is kept and compared, and say nothing about how an answer comes about.
STEERING = frozenset(
    {
        "cache", "semantic_cache", "similarity_threshold", "cache_ttl_minutes", "llm_cache",
        "shadow_share", "false_hit_budget",
    }
)  # fmt: skip
RERANKER_SETTINGS = ("RERANKER", "RERANKER_MODEL")


def fold_question(question: str) -> str:
    """As questions are compared: case, blanks and closing marks make no difference."""
    return " ".join(question.casefold().split()).rstrip("?!. ") or question


def question_hash(question: str) -> str:
    return _sha(fold_question(question))


def pair_hash(one: str, other: str) -> str:
    """Of two questions, whichever comes first."""
    return _sha(*sorted((fold_question(one), fold_question(other))))


def config_hash(tenant: TenantConfig, request: AnswerRequest) -> str:
    """Of the tenant's configuration and of what was asked for with the question."""
    asked = (
        request.model, request.top_k or tenant.top_k, request.max_tokens, request.temperature,
        request.stop, request.filters,
    )  # fmt: skip
    return _sha(_tenant_hash(tenant), json.dumps(asked))


def exact_key(caller: Caller, request: AnswerRequest, question: str) -> str:
    """The same for whoever asks the same, in the same way, with the same access."""
    levels = json.dumps(sorted(caller.access_levels))
    return _sha(fold_question(question), config_hash(caller.tenant, request), levels)


@lru_cache(maxsize=2048)
def _tenant_hash(tenant: TenantConfig) -> str:
    query = dataclasses.asdict(tenant.query)
    routes = [
        (route.tier, route.model, _endpoint(route.endpoint))
        for route in tenant.routes
    ]  # fmt: skip
    parts: list[Any] = [
        {name: value for name, value in query.items() if name not in STEERING},
        [tenant.top_k, tenant.min_similarity, tenant.chunk_tokens],
        [tenant.embedding_model, tenant.embedding_dimension, tenant.generation],
        _endpoint(tenant.endpoint),
        routes,
        [str(getattr(settings, name, "")) for name in RERANKER_SETTINGS],
    ]
    return _sha(json.dumps(parts, sort_keys=True), code_version())


def _endpoint(endpoint: ModelEndpoint | None) -> list[str] | None:
    if endpoint is None:
        return None
    return [endpoint.base_url, endpoint.small_model, endpoint.large_model]


@cache
def code_version() -> str:
    """Of the read path's own source: what another version wrote, this one would write otherwise."""
    here = Path(__file__).parent
    sources = [*sorted(here.glob("*.py")), Path(extractive.__file__)]
    return _sha(*(source.read_text() for source in sources))


def _sha(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode())
        digest.update(b"\0")
    return digest.hexdigest()

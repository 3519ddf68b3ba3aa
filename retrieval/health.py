"""Whether the models that this installation is set to use can be used."""

from __future__ import annotations

import time
from functools import lru_cache

from django.conf import settings

from ragadmin.health import NotWell, Probe, register

# A model elsewhere is paid by the call: a page that is reloaded need not ask again.
GOOD_FOR_SECONDS = 60


def register_probes() -> None:
    register(
        Probe(
            "embedding model",
            "Documents cannot be indexed and questions find nothing by meaning.",
            probe_embedding_model,
        )
    )
    register(
        Probe("chat model", "Answers are quoted sentences, not written ones.", probe_chat_models)
    )


def probe_embedding_model() -> str:
    duration_ms = _embed_a_text(settings.EMBEDDING_MODEL, int(time.time()) // GOOD_FOR_SECONDS)
    return f"{settings.EMBEDDING_MODEL}, a text in {duration_ms:.0f} ms"


@lru_cache(maxsize=1)
def _embed_a_text(name: str, _minute: int) -> float:
    from retrieval.providers.embedders import get_embedder

    embedder = get_embedder(name)
    embedder.embed(["warm"])  # loads it, which is not what is asked
    start = time.perf_counter()
    embedder.embed(["Is the embedding model ready?"])
    return (time.perf_counter() - start) * 1000


def probe_chat_models() -> str:
    """The endpoint of the environment and those of the console. None is a normal state."""
    from tenants.providers import endpoint_of, list_providers, try_endpoint
    from tenants.resolve import environment_endpoint

    endpoints = [endpoint_of(provider) for provider in list_providers()]
    named = environment_endpoint()
    if named:
        endpoints.append(named)
    if not endpoints:
        return "none: answers are extractive"
    for endpoint in endpoints:
        missing = try_endpoint(endpoint).missing
        if missing:
            raise NotWell(f"{endpoint.name} has no model {missing[0]!r}.")
    return f"{', '.join(endpoint.name for endpoint in endpoints)}"

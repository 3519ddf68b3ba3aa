"""Embedding models by name: `local:…`, `openai:…`, `fastembed:…`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.module_loading import import_string

from ragadmin.errors import InvalidRequest
from retrieval.providers.local import MODEL, LocalEmbedder

if TYPE_CHECKING:
    from retrieval.providers.base import Embedder


_embedders: dict[str, Embedder] = {}


def get_embedder(name: str) -> Embedder:
    """One for each process. Raises InvalidRequest for an unknown name, ConfigurationError for one
    that cannot be used on this installation."""
    if name not in _embedders:
        # Of two threads that make one at the same time, both get the first.
        _embedders.setdefault(name, _make(name))
    return _embedders[name]


def dimension_of(name: str) -> int:
    """Of the model's vectors. Raises InvalidRequest, ConfigurationError, ProviderError."""
    return get_embedder(name).dimension


def forget_embedder(name: str) -> None:
    """It is made anew, of the settings as they are then."""
    _embedders.pop(name, None)


async def close_embedders() -> None:
    """Ends the connections that the running event loop owns."""
    for embedder in _embedders.values():
        await embedder.close()


def _make(name: str) -> Embedder:
    kind, _, model = name.partition(":")
    if name == MODEL:
        return LocalEmbedder()
    if kind == "openai" and model:
        from retrieval.providers.openai_embeddings import OpenAIEmbedder

        return OpenAIEmbedder(
            model, base_url=settings.OPENAI_BASE_URL, api_key=settings.OPENAI_API_KEY
        )
    if kind == "fastembed" and model:
        from retrieval.providers.fastembed_embeddings import FastembedEmbedder

        return FastembedEmbedder(model)
    if kind in settings.MORE_EMBEDDERS:
        return import_string(settings.MORE_EMBEDDERS[kind])(model)
    raise InvalidRequest(
        f"The embedding model {name!r} is not known: use {MODEL}, openai:NAME or fastembed:NAME.",
        extra={"field": "embedding_model"},
    )


# A model's threads do not live on in a forked child, which has to load its own.
os.register_at_fork(after_in_child=_embedders.clear)

"""The settings of `make run`, with the embedding model that costs nothing."""

from __future__ import annotations

from ragadmin.settings.dev import *  # noqa: F403

MORE_EMBEDDERS = {"trivial": "benchmarks.trivial_model.TrivialEmbedder"}

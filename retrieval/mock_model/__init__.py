"""A paced, deterministic, OpenAI-compatible stub for tests, benchmarks and offline demos."""

from __future__ import annotations

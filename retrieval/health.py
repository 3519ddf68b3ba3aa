"""Whether the models that this installation is set to use can be used."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings

from ragadmin.health import NotWell, Probe, register

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenants.config import ModelEndpoint

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
    register(Probe("text recognition", "Scanned documents are not read.", probe_ocr))


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
    from tenants.config_rows import environment_endpoint
    from tenants.providers import endpoint_of, list_providers, try_endpoint

    endpoints = [endpoint_of(provider) for provider in list_providers()]
    named = environment_endpoint()
    if named:
        endpoints.append(named)
    if not endpoints:
        return "none: answers are extractive"
    return "; ".join(_say(endpoint, try_endpoint(endpoint).missing) for endpoint in endpoints)


def probe_ocr() -> str:
    """Without it scans say `no_text`, which is a normal state."""
    program = shutil.which("tesseract")
    if program is None:
        return "not installed: scans fail as no_text (install tesseract-ocr to have them read)"
    listed = subprocess.run([program, "--list-langs"], capture_output=True, text=True, timeout=10)
    known = set(listed.stdout.split("\n"))
    missing = [name for name in settings.OCR_LANGUAGES if name not in known]
    if missing:
        raise NotWell(
            f"RAGADMIN_OCR_LANGUAGES names {missing[0]}, which tesseract has no data for:"
            f" install it (Debian: tesseract-ocr-{missing[0].replace('_', '-')})."
        )
    return f"{_version_of(program)}, {', '.join(settings.OCR_LANGUAGES)}"


def _version_of(program: str) -> str:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10)
    found = re.search(r"tesseract v?[\d.]+", told.stdout + told.stderr)
    return found[0] if found else "tesseract"


def _say(endpoint: ModelEndpoint, missing: Sequence[str]) -> str:
    """Not every endpoint lists all that it answers for, so a missing name is told, not held against it."""
    return f"{endpoint.name} (does not list {missing[0]})" if missing else endpoint.name

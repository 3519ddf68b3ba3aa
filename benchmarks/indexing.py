"""Documents a second from upload to searchable, beside the bare embedder on the very same passages."""

from __future__ import annotations

import time
from pydoc_data.topics import topics
from typing import Any

from benchmarks.common import (
    Installation,
    manuals,
    percentile,
    report,
    temporary_folder,
    use_settings,
)

TOPICS = 60
REPEATS = 3


def main() -> None:
    with temporary_folder() as folder:
        with Installation(folder / "data") as installation:
            key = installation.make_tenant("bench")
            # The first document starts the extractor and loads the model: not what is asked here.
            installation.upload(key, {"warm-up.md": b"# Warm-up\n\nOne passage to begin with."})
            installation.wait_until_ready(key, 1)
            documents = corpus()
            start = time.monotonic()
            ids = installation.upload(key, documents)
            uploaded = time.monotonic() - start
            installation.wait_until_ready(key, len(documents) + 1)
            seconds = time.monotonic() - start
            passages = [text for number in ids for text in passages_of(installation, key, number)]
        use_settings(folder / "data")
        bare = embed_alone(passages)
    row = {
        "documents": len(documents),
        "passages": len(passages),
        "upload_s": uploaded,
        "whole_s": seconds,
        "documents_a_s": len(documents) / seconds,
        "passages_a_s": len(passages) / seconds,
        "bare_embedder_s": bare,
        "bare_passages_a_s": len(passages) / bare,
    }
    report("indexing", [row], ratio=seconds / bare)


def corpus() -> dict[str, bytes]:
    """The manuals of this project, and topics of the Python language reference."""
    chosen = sorted(topics.items())[:TOPICS]
    return manuals() | {f"{name}.txt": text.encode() for name, text in chosen}


def passages_of(installation: Installation, key: str, document: str) -> list[str]:
    path: Any = f"/api/v1/documents/{document}/chunks/"
    found = []
    while path:
        page = installation.call("GET", path, key)
        found += [f"{chunk['heading_path']}\n{chunk['text']}" for chunk in page["results"]]
        path = page.get("next")
    return found


def embed_alone(passages: list[str], repeats: int = REPEATS) -> float:
    """Median seconds of embedding all passages in one call."""
    from retrieval.providers.local import LocalEmbedder

    embedder = LocalEmbedder()
    embedder.embed(passages[:8])
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        embedder.embed(passages)
        seconds.append(time.perf_counter() - start)
    return percentile(seconds, 0.5)


if __name__ == "__main__":
    main()

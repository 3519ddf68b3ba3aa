"""A folder's first sync with the real local model, beside the bare embedder on the very same passages."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from benchmarks.common import Installation, report, temporary_folder, use_settings
from benchmarks.indexing import corpus, embed_alone, passages_of
from benchmarks.sources import check, make_source, sync, worker_seconds

if TYPE_CHECKING:
    from pathlib import Path

REPEATS = 3


def main() -> None:
    with temporary_folder() as folder:
        files = folder / "files"
        documents = write_documents(files / "documents", corpus())
        write_documents(files / "warm-up", {"page.md": b"# Warm-up\n\nOne passage to begin with."})
        roots = {"RAGADMIN_SYNC_ROOTS": str(files)}
        with Installation(folder / "data", env=roots) as installation:
            use_settings(folder / "data")
            rows = [measure(installation, files, documents, n) for n in range(1, REPEATS + 1)]
    report("sync_embedding", rows, ratio=statistics.median(row["ratio"] for row in rows))


def measure(installation: Installation, files: Path, documents: int, number: int) -> dict[str, Any]:
    """One after the other, so that both find the machine as it is now."""
    key = installation.make_tenant(f"bench-{number}")
    # The first document starts the extractor and loads the model: not what is asked here.
    sync(installation, key, make_source(installation, key, files / "warm-up"))
    run = sync(installation, key, make_source(installation, key, files / "documents"))
    check(run, added=documents)
    ids = ids_of(installation, key, run["source"])
    passages = [text for each in ids for text in passages_of(installation, key, each)]
    bare = embed_alone(passages, 1)
    return {
        "documents": documents,
        "passages": len(passages),
        "wall_s": run["wall_s"],
        "worker_s": worker_seconds(run),
        "bare_embedder_s": bare,
        "ratio": run["wall_s"] / bare,
    }


def write_documents(folder: Path, documents: dict[str, bytes]) -> int:
    folder.mkdir(parents=True)
    for name, data in documents.items():
        (folder / name).write_bytes(data)
    return len(documents)


def ids_of(installation: Installation, key: str, source: str) -> list[str]:
    path: Any = f"/api/v1/documents/?source={source}"
    found = []
    while path:
        page = installation.call("GET", path, key)
        found += [document["id"] for document in page["results"]]
        path = page["next"]
    return found


if __name__ == "__main__":
    main()

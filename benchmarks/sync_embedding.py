"""A folder's first sync with the real local model, beside the bare embedder on the very same passages."""

from __future__ import annotations

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
            runs = []
            for number in range(REPEATS):
                key = installation.make_tenant(f"bench-{number}")
                # The first document starts the extractor and loads the model: not what is asked here.
                sync(installation, key, make_source(installation, key, files / "warm-up"))
                run = sync(installation, key, make_source(installation, key, files / "documents"))
                check(run, added=documents)
                runs.append(run)
            passages = [
                text
                for number in ids_of(installation, key, run["source"])
                for text in passages_of(installation, key, number)
            ]
        use_settings(folder / "data")
        bare = embed_alone(passages)
    best = min(runs, key=lambda run: run["wall_s"])
    row: dict[str, Any] = {
        "documents": documents,
        "passages": len(passages),
        "wall_s": best["wall_s"],
        "worker_s": worker_seconds(best),
        "bare_embedder_s": bare,
        "ratio": best["wall_s"] / bare,
    }
    report("sync_embedding", [row], timings=best["timings"], walls=[run["wall_s"] for run in runs])


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

"""Incremental indexing of a folder beside LangChain's indexing API and CocoIndex, on the same files.

First all is new, then nothing changed, then every modification time did, then one file of a hundred.
Each system embeds with the same trivial model and stores into a Postgres of the same settings. Times
are those of the pass itself: of ragadmin in its running worker, of the others without starting
Python. An argument is the number of files. Installs the others into an environment of their own the first time.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks import bare_limits
from benchmarks.common import Installation, report, temporary_folder
from benchmarks.peer_programs import peer_python, run_pass
from benchmarks.sources import check, make_source, sync, trivial_environment, worker_seconds
from benchmarks.write_corpus import change_share, touch_all, write_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = 5_000
CHANGED_SHARE = 0.01
PASSES = ("first", "no-op", "touched", "1 % changed")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else FILES
    peer_python()
    rows: list[dict[str, Any]] = []
    with temporary_folder() as folder:
        files = folder / "files"
        write_files(files, count)
        with (
            Installation(folder / "data", env=trivial_environment(files)) as installation,
            peer_databases(folder / "peers") as databases,
        ):
            key = installation.make_tenant("bench")
            source = make_source(installation, key, files)
            for name in PASSES:
                changed = prepare(name, files, count)
                run = sync(installation, key, source)
                check(run, **expected(name, changed, count))
                command = (
                    installation.manage("sync_source", "bench", source) if changed == 0 else {}
                )
                rows.append(
                    {
                        "pass": name,
                        "ragadmin_s": worker_seconds(run),
                        "wall_s": run["wall_s"],
                        "command_s": worker_seconds(command) if command else "",
                        "langchain_s": run_pass("langchain_pass", files, databases[0])["seconds"],
                        "cocoindex_s": run_pass(
                            "cocoindex_pass", files, databases[1], folder / "cocoindex"
                        )["seconds"],
                        "read": run["plan"]["read"],
                        "embedded": run["embedded_chunks"],
                        "reused": run["reused_chunks"],
                    }
                )
                print(f"  {rows[-1]}  {run['timings']}", flush=True)
            limits = bare_limits.measure(files, databases[0])
    for row in rows:
        row["langchain/ragadmin"] = row["langchain_s"] / row["ragadmin_s"]
        row["cocoindex/ragadmin"] = row["cocoindex_s"] / row["ragadmin_s"]
    report("write_path", rows, files=count, **limits)


def prepare(name: str, files: Path, count: int) -> int:
    """How many files have another content after it."""
    if name == "first":
        return count
    if name == "touched":
        touch_all(files, 60)
    return change_share(files, CHANGED_SHARE, 1) if name == "1 % changed" else 0


def expected(name: str, changed: int, count: int) -> dict[str, int]:
    if name == "first":
        return {"added": count}
    counts = {"updated": changed, "unchanged": count - changed}
    return {key: count for key, count in counts.items() if count}


@contextmanager
def peer_databases(folder: Path) -> Iterator[list[str]]:
    """One for each, with pgvector, on a server that is set up as ragadmin's own."""
    from ragadmin.embedded.postgres import EmbeddedPostgres

    postgres = EmbeddedPostgres(folder / "postgres", "benchmark")
    postgres.initialise()
    service = postgres.service()
    process = service.start()
    try:
        service.wait_until_ready(process)
        postgres.create_database()
        yield [_make_database(postgres.url, name) for name in ("langchain", "cocoindex")]
    finally:
        service.stop(process)


def _make_database(url: str, name: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    made = f"{url.rpartition('/')[0]}/{name}"
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
    return made


if __name__ == "__main__":
    main()

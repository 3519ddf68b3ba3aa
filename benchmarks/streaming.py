"""What one whole streamed answer costs: key, search, stream, record; beside a bare proxy of the same stream.

Every question is new, so no cache answers. Embedding runs in the web process, so its share is measured
apart, on the same texts in bursts of the same size, and taken off.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from benchmarks.common import (
    Installation,
    Program,
    clean_environment,
    cpu_seconds,
    manuals,
    report,
    stub_model,
    temporary_folder,
    use_settings,
)
from benchmarks.load import Target, put_load
from ragadmin.embedded.ports import free_port
from ragadmin.installation import PROJECT_DIR

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKENS = 60
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
SHORT, LONG = "mock-500-60-25", "mock-500-60-160"  # streams of 2 and of 10 seconds
# 500 streams of 2 seconds are 250 new answers a second, more than the machine can begin: what
# counts there is the CPU. 500 streams of 10 seconds are served as they come: there the delays count.
SIZES = (
    (1, 10, SHORT, 0.0),
    (50, 400, SHORT, 2.0),
    (500, 1500, SHORT, 2.0),
    (500, 1500, LONG, 10.0),
)  # streams at once, answers in all, model, seconds over which the first ones begin
GOAL_MS, GOAL_WITH_EMBEDDING_MS = 12.0, 20.0
QUESTIONS = (
    "How do I connect a local model server?",
    "What happens when a worker is killed while it indexes?",
    "How long does a revoked API key go on working?",
    "Which roles may upload documents?",
    "How is one tenant kept from reading another's passages?",
    "What does the error code no_text mean?",
    "Is PgBouncer in transaction mode safe?",
    "How do I rate an answer?",
    "Which files can be uploaded?",
    "Where is the installation's secret kept?",
)


def main() -> None:
    with temporary_folder() as folder, stub_model(folder) as upstream:
        env = {
            "OPENAI_BASE_URL": upstream,
            "OPENAI_API_KEY": "any",
            "RAGADMIN_SMALL_MODEL": SHORT,
            "RAGADMIN_LARGE_MODEL": LONG,
        }
        with Installation(folder / "data", env=env) as installation, peer(folder, upstream) as bare:
            use_settings(installation.folder)
            rows = measure(installation, *bare)
    hardest = next(row for row in rows if row["at_once"] == 500 and row["model"] == SHORT)
    report(
        "streaming",
        rows,
        goal=f"{GOAL_MS} ms of web CPU an answer at {hardest['at_once']} streams without embedding,"
        f" {GOAL_WITH_EMBEDDING_MS} with it",
        reached=hardest["web_cpu_ms"] <= GOAL_MS
        and hardest["web_cpu_ms"] + hardest["embedding_cpu_ms"] <= GOAL_WITH_EMBEDDING_MS
        and all(row["errors"] == 0 for row in rows),
    )


def measure(installation: Installation, peer_pid: int, peer_url: str) -> list[dict[str, Any]]:
    key = installation.make_tenant("bench")
    documents = manuals()
    installation.upload(key, documents)
    installation.wait_until_ready(key, len(documents))
    address = f"{installation.address}/v1/chat/completions"
    web, postgres = installation.pid_of("ragadmin.embedded.web"), installation.pid_of("postgres")
    rows = []
    for at_once, answers, model, ramp in SIZES:
        theirs = Target(peer_url, "any", model, QUESTIONS, 1)
        for target in (new_questions(address, key, model, 8), theirs):
            put_load(target, concurrency=4, requests=8)
        ours = new_questions(address, key, model, answers)
        bare = cpu_of(theirs, at_once, answers, ramp, web=peer_pid)
        whole = cpu_of(ours, at_once, answers, ramp, web=web, postgres=postgres)
        embedding = embedding_cpu_ms(at_once, answers)
        rows.append({"at_once": at_once, "model": model, **as_row(bare, whole, embedding)})
    return rows


def new_questions(address: str, key: str, model: str, count: int) -> Target:
    return Target.of_new_questions(address, key, model, subjects(), count, TOKENS - 5)


def subjects() -> list[str]:
    """The headings of the documents."""
    found = (
        re.sub(r"[`*]", "", heading)
        for heading in HEADING.findall(b"".join(manuals().values()).decode())
    )
    return sorted({heading for heading in found if heading.isascii()})


def cpu_of(
    target: Target, at_once: int, answers: int, ramp: float, **processes: int
) -> dict[str, Any]:
    before = {name: cpu_seconds(pid) for name, pid in processes.items()}
    load = put_load(target, concurrency=at_once, requests=answers, ramp=ramp)
    spent = {
        f"{name}_cpu_ms": (cpu_seconds(pid) - before[name]) * 1000 / load.asked
        for name, pid in processes.items()
    }
    for problem, times in load.errors.most_common(3):
        print(f"{times} x {problem}", file=sys.stderr)
    return {**spent, **load.summary()}


def embedding_cpu_ms(at_once: int, answers: int) -> float:
    """CPU of embedding one question when `at_once` of them come together."""
    from retrieval.providers.local import LocalEmbedder

    embedder = LocalEmbedder()
    asked = new_questions("", "", "", answers).questions

    async def embed_all() -> float:
        await embedder.embed_questions([QUESTIONS[0]])
        start = time.process_time()
        for first in range(0, answers, at_once):
            burst = asked[first : first + at_once]
            await asyncio.gather(*(embedder.embed_questions([text]) for text in burst))
        return time.process_time() - start

    return asyncio.run(embed_all()) * 1000 / (answers)


def as_row(bare: dict[str, Any], whole: dict[str, Any], embedding: float) -> dict[str, Any]:
    apart = whole["web_cpu_ms"] - embedding
    return {
        "web_cpu_ms": apart,
        "embedding_cpu_ms": embedding,
        "postgres_cpu_ms": whole["postgres_cpu_ms"],
        "bare_cpu_ms": bare["web_cpu_ms"],
        "ratio": apart / bare["web_cpu_ms"],
        "ttft_p50_ms": whole["ttft_p50_ms"],
        "ttft_p95_ms": whole["ttft_p95_ms"],
        "bare_ttft_p95_ms": bare["ttft_p95_ms"],
        "total_p95_ms": whole["total_p95_ms"],
        "errors": whole["errors"],
        "bare_errors": bare["errors"],
    }


@contextmanager
def peer(folder: Path, upstream: str) -> Iterator[tuple[int, str]]:
    """The bare proxy's process and address, on the same server as the product."""
    port = free_port()
    program = Program(
        [
            sys.executable, "-m", "granian", "benchmarks.bare_proxy:application",
            "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
            "--no-ws", "--log-level", "warning",
        ],
        env=clean_environment(folder, UPSTREAM=upstream), log=folder / "peer.log", cwd=PROJECT_DIR,
    )  # fmt: skip
    try:
        program.wait_for(f"http://127.0.0.1:{port}/", 30)
        yield program.pid, f"http://127.0.0.1:{port}/v1/chat/completions"
    finally:
        program.stop()


if __name__ == "__main__":
    main()

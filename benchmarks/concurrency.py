"""Thousands of streams at once, half of them from the cache, and far more streams than connections.

A stream lasts ten seconds, and streams begin over ten seconds. What ragadmin adds to the time to the
first token is what a bare proxy of the same stream, on the same server, does not.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from benchmarks.common import Installation, manuals, report, stub_model, temporary_folder
from benchmarks.load import Target, put_load
from benchmarks.streaming import LONG, QUESTIONS, SHORT, TOKENS, new_questions, peer

if TYPE_CHECKING:
    from pathlib import Path

RAMP_SECONDS = 10.0
MODEL_TTFT_MS = 500.0
GOAL_ADDED_MS = 1_000.0
GOAL_POOL_RATIO = 1.5
FEW, ENOUGH, STREAMS = 20, 150, 200


def main() -> None:
    with temporary_folder() as folder, stub_model(folder) as upstream:
        rows = measure_crowds(folder, upstream)
        narrow, wide = (measure_pool(folder, upstream, size) for size in (FEW, ENOUGH))
    ratio = narrow["ttft_p95_ms"] / wide["ttft_p95_ms"]
    crowd = next(row for row in rows if row["what"] == "all new")
    report(
        "concurrency",
        [*rows, narrow, wide],
        added_ttft_p95_ms=crowd["added_ttft_p95_ms"],
        pool_ratio=ratio,
        goal=f"no error; at 1,000 streams at most {GOAL_ADDED_MS:.0f} ms added to the first token (p95);"
        f" {STREAMS} streams on {FEW} connections at most {GOAL_POOL_RATIO} of {ENOUGH} connections",
        reached=crowd["added_ttft_p95_ms"] <= GOAL_ADDED_MS
        and ratio <= GOAL_POOL_RATIO
        and not any(row["errors"] for row in rows),
    )


def environment(upstream: str, **more: str) -> dict[str, str]:
    return {
        "OPENAI_BASE_URL": upstream,
        "OPENAI_API_KEY": "any",
        "RAGADMIN_SMALL_MODEL": LONG,
        "RAGADMIN_LARGE_MODEL": SHORT,
        **more,
    }


def measure_crowds(folder: Path, upstream: str) -> list[dict[str, Any]]:
    with (
        Installation(folder / "crowds", env=environment(upstream)) as installation,
        peer(folder, upstream) as (_, peer_url),
    ):
        address, key = prepare(installation)
        bare = Target(peer_url, "any", LONG, QUESTIONS, 1)
        fresh = new_questions(address, key, LONG, 1_000)
        return [
            crowd("proxy", bare, 1_000),
            crowd("all new", fresh, 1_000),
            crowd("half cached", half_cached(address, key), 2_000),
        ]


def half_cached(address: str, key: str) -> Target:
    """Every other question was answered before."""
    known = Target(address, key, LONG, QUESTIONS, TOKENS - 5)
    put_load(known, concurrency=len(QUESTIONS), requests=len(QUESTIONS))
    fresh = new_questions(address, key, LONG, 1_000).questions
    mixed = [text for i, new in enumerate(fresh) for text in (new, QUESTIONS[i % len(QUESTIONS)])]
    return Target(address, key, LONG, mixed, TOKENS - 5)


def measure_pool(folder: Path, upstream: str, size: int) -> dict[str, Any]:
    env = environment(upstream, RAGADMIN_QUERY_CONNECTIONS=str(size))
    with Installation(folder / f"pool-{size}", env=env) as installation:
        address, key = prepare(installation)
        target = new_questions(address, key, LONG, STREAMS)
        return crowd(f"{size} connections", target, STREAMS)


def prepare(installation: Installation) -> tuple[str, str]:
    key = installation.make_tenant("bench")
    documents = manuals()
    installation.upload(key, documents)
    installation.wait_until_ready(key, len(documents))
    address = f"{installation.address}/v1/chat/completions"
    put_load(new_questions(address, key, SHORT, 8), concurrency=4, requests=8)
    return address, key


def crowd(name: str, target: Target, at_once: int) -> dict[str, Any]:
    load = put_load(target, concurrency=at_once, requests=at_once, ramp=RAMP_SECONDS)
    for problem, times in load.errors.most_common(3):
        print(f"{times} x {problem}", file=sys.stderr)
    summary = load.summary()
    return {
        "what": name,
        "at_once": at_once,
        **summary,
        "added_ttft_p95_ms": summary["ttft_p95_ms"] - MODEL_TTFT_MS,
        "seconds": load.seconds,
    }


if __name__ == "__main__":
    main()

"""What embedding costs: one question, and a worker's passages beside the same model run plainly.

The least of several rounds counts, because others may use the machine as well.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.common import memory_mb, report, temporary_folder, use_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrieval.providers.local import LocalEmbedder

PASSAGES = 64
PASSAGE_TOKENS = 220
ROUNDS = 4
PEER_BATCH = 32
QUESTION = "How do I write a loop over the items of a dictionary?"
QUESTIONS = 200
CALLERS = 64


def main() -> None:
    with temporary_folder() as folder:
        use_settings(folder)
        import django

        django.setup()
        measure()


def measure() -> None:
    from retrieval.providers.local import LocalEmbedder

    before = own_memory()
    embedder = LocalEmbedder()
    start = time.perf_counter()
    embedder.embed(["ready"])
    facts: dict[str, Any] = {"first_use_with_build_s": time.perf_counter() - start}
    facts["rss_of_model_mb"] = own_memory() - before
    rows = [time_question(embedder), time_concurrent_questions(embedder)]
    facts["rss_after_questions_mb"] = own_memory()
    passages = real_passages(embedder)
    # Made only now, so that it does not count as the model's memory.
    peer = plain_peer(embedder)
    ours, theirs = time_alternately(passages, embedder.embed, peer)
    facts["agreement_with_plain"] = least_cosine(passages, embedder.embed, peer)
    rows += [ours, theirs]
    facts["ratio"] = ours["a_second"] / theirs["a_second"]
    report("embedding", rows, **facts)


def own_memory() -> float:
    return memory_mb(os.getpid())["rss_mb"]


def real_passages(embedder: LocalEmbedder) -> list[str]:
    """Of the language reference that every Python carries, cut at exactly the same length."""
    from pydoc_data.topics import topics

    text = "\n".join(topics.values())[:200_000]
    places = embedder.tokenizer.encode(text, add_special_tokens=False).offsets
    length = PASSAGE_TOKENS - 2
    return [
        text[places[start][0] : places[start + length - 1][1]]
        for start in range(0, PASSAGES * length, length)
    ]


def time_question(embedder: LocalEmbedder) -> dict[str, Any]:
    async def ask() -> tuple[float, float]:
        wall, cpu = time.perf_counter(), time.process_time()
        await embedder.embed_questions([QUESTION])
        return time.perf_counter() - wall, time.process_time() - cpu

    async def ask_all() -> list[tuple[float, float]]:
        return [await ask() for _ in range(QUESTIONS)]

    took = asyncio.run(ask_all())
    wall, cpu = (float(np.median(column)) for column in zip(*took, strict=True))
    return row("one question", 1, wall, cpu)


def time_concurrent_questions(embedder: LocalEmbedder) -> dict[str, Any]:
    async def ask_together() -> None:
        asked = (embedder.embed_questions([f"{QUESTION} {n}"]) for n in range(CALLERS))
        await asyncio.gather(*asked)

    wall, cpu = least(lambda: asyncio.run(ask_together()))
    return row(f"{CALLERS} callers at once", CALLERS, wall, cpu)


def time_alternately(
    texts: list[str], ours: Callable[..., Any], peer: Callable[..., Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    best = {ours: (9e9, 9e9), peer: (9e9, 9e9)}
    for _ in range(ROUNDS):
        for embed in best:
            wall, cpu = timed(lambda embed=embed: embed(texts))
            best[embed] = (min(best[embed][0], wall), min(best[embed][1], cpu))
    what = f"passages of {PASSAGE_TOKENS} tokens"
    return (
        row(f"{what}, 2 threads", len(texts), *best[ours]),
        row(f"{what}, plain, 2 threads", len(texts), *best[peer]),
    )


def least(run: Callable[[], Any]) -> tuple[float, float]:
    walls, cpus = zip(*(timed(run) for _ in range(ROUNDS)), strict=True)
    return min(walls), min(cpus)


def timed(run: Callable[[], Any]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


def row(what: str, count: int, wall: float, cpu: float) -> dict[str, Any]:
    return {
        "what": what,
        "a_second": count / wall,
        "ms_each": wall * 1000 / count,
        "cpu_ms_each": cpu * 1000 / count,
    }


def plain_peer(embedder: LocalEmbedder) -> Callable[[list[str]], np.ndarray]:
    """The same file with ONNX Runtime's usual settings and the usual way of feeding it: batches of
    32, padded to the window, two threads to an operator."""
    import onnxruntime

    from retrieval.providers import minilm
    from retrieval.providers.local import padded_inputs

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(minilm.ensure_model(), options)

    def embed(texts: list[str]) -> np.ndarray:
        vectors = []
        for start in range(0, len(texts), PEER_BATCH):
            ids = [
                embedder.tokenizer.encode(text).ids for text in texts[start : start + PEER_BATCH]
            ]
            inputs = padded_inputs(ids)
            room = [(0, 0), (0, minilm.MAX_TOKENS - inputs["input_ids"].shape[1])]
            vectors.append(session.run(None, {k: np.pad(v, room) for k, v in inputs.items()})[0])
        return np.concatenate(vectors)

    return embed


def least_cosine(texts: list[str], ours: Callable[..., Any], peer: Callable[..., Any]) -> float:
    return float((ours(texts) * peer(texts)).sum(axis=1).min())


if __name__ == "__main__":
    main()

"""What it gains that questions asked at the same time share a run of the embedding model.

Fifty callers at once, each with a question of its own, beside the same questions one after the other.
The caches are not asked. Of several rounds, taken in turns, the best counts. CPU is the steady
figure: the clock also shows what else the machine does.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from benchmarks.common import report, temporary_folder, use_settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from retrieval.providers.base import Embedder

CALLERS = 50
ROUNDS = 12
SUBJECTS = (
    "a password", "the invoice of last month", "my parental leave", "a damaged parcel",
    "the office in Lisbon", "an API key", "the backup of the database", "a train ticket",
    "the warranty of a pump", "our newsletter",
)  # fmt: skip
FORMS = (
    "How do I ask for {}?", "Who decides about {} when the manager is away?",
    "Where is {} kept, and for how long?", "What does {} cost?",
    "Is it possible to change {} afterwards, and what has to be sent in for that?",
)  # fmt: skip
QUESTIONS = [form.format(subject) for subject in SUBJECTS for form in FORMS]


def main() -> None:
    with temporary_folder() as folder:
        use_settings(folder)
        import django

        django.setup()
        from retrieval.providers.embedders import get_embedder

        asyncio.run(measure(get_embedder("local:all-MiniLM-L6-v2")))


async def measure(embedder: Embedder) -> None:
    await embedder.embed_questions(QUESTIONS)
    ways = {"one after the other": one_by_one, f"{CALLERS} at once": at_once}
    best = dict.fromkeys(ways, (9e9, 9e9))
    for _ in range(ROUNDS):
        for name, way in ways.items():
            wall, cpu = await timed(lambda way=way: way(embedder))
            best[name] = min(best[name][0], wall), min(best[name][1], cpu)
    rows = [
        {
            "questions": name,
            "a second": CALLERS / wall,
            "ms each": 1000 * wall / CALLERS,
            "cpu ms each": 1000 * cpu / CALLERS,
            "a cpu second": CALLERS / cpu,
        }
        for name, (wall, cpu) in best.items()
    ]
    alone, together = best.values()
    gains = [before / after for before, after in zip(alone, together, strict=True)]
    report("question_batching", rows, gain_wall=gains[0], gain_cpu=gains[1])


async def one_by_one(embedder: Embedder) -> None:
    for question in QUESTIONS:
        await embedder.embed_questions([question])


async def at_once(embedder: Embedder) -> None:
    await asyncio.gather(*(embedder.embed_questions([question]) for question in QUESTIONS))


async def timed(run: Callable[[], Awaitable[Any]]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    await run()
    return time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    assert len(QUESTIONS) == CALLERS
    main()

"""How often the right passage is among the first, by each way of ranking, and how well the floor
tells questions that the documents answer from those that they do not.

Sets: first lines of the standard library's docstrings, to be answered by what follows them; and any
given by path, as JSON: {"passages": [text], "questions": [[text, {"index of a passage": gain}]]}.
Vectors that lie beside such a file as NAME.p.npy and NAME.q.npy are used as they are.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.common import report, temporary_folder
from benchmarks.database import database
from benchmarks.search_corpus import MODEL, docstring_pairs, store
from retrieval.evaluation.metrics import hit_at, ndcg_at, reciprocal_rank

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OWN_QUESTIONS = 300
DEPTH = 50
# Cormack, Clarke and Büttcher 2009.
RRF_K = 60
UNANSWERABLE = Path(__file__).parent / "unanswerable_questions.txt"


@dataclass(frozen=True, slots=True)
class Set:
    name: str
    passages: list[str]
    questions: list[str]
    gains: list[dict[int, float]]
    vectors: np.ndarray
    question_vectors: np.ndarray


def main() -> None:
    paths = [Path(argument).resolve() for argument in sys.argv[1:]]
    with temporary_folder() as folder, database(folder):
        sets = [own_set(), *map(read_set, paths)]
        rows, floors = [], []
        for each in sets:
            found, floor = measure(each)
            rows += found
            floors.append(floor)
    report("search_quality", rows)
    report(
        "search_floor",
        floors,
        unit="shares: of answerable questions withheld, of unanswerable ones answered",
    )


def own_set() -> Set:
    pairs = docstring_pairs()
    asked = random.Random(11).sample(range(len(pairs)), min(OWN_QUESTIONS, len(pairs)))
    passages, questions = [body for _, body in pairs], [pairs[n][0] for n in asked]
    gains = [{n: 1.0} for n in asked]
    return Set("docstrings", passages, questions, gains, embed(passages), embed(questions))


def read_set(path: Path) -> Set:
    """A set of which the vectors were not made yet is embedded."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    questions = [question for question, _ in kept["questions"]]
    gains = [{int(n): gain for n, gain in found.items()} for _, found in kept["questions"]]
    beside = [path.with_suffix(".p.npy"), path.with_suffix(".q.npy")]
    vectors = [
        np.load(file).astype(np.float32) if file.exists() else embed(texts)
        for file, texts in zip(beside, (kept["passages"], questions), strict=True)
    ]
    return Set(path.stem, kept["passages"], questions, gains, vectors[0], vectors[1])


def embed(texts: list[str]) -> np.ndarray:
    from retrieval.providers.embedders import get_embedder

    return get_embedder(MODEL).embed(texts)


def measure(each: Set) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    from retrieval.indexing import vector_index
    from tenants.access import tenant_config
    from tenants.config import Caller
    from tenants.services import create_tenant

    tenant = create_tenant(slug=f"quality-{each.name}")
    store(tenant, each.passages, each.vectors)
    tenant.refresh_from_db()
    tenant = vector_index.tune(tenant)
    caller = Caller(tenant_config(tenant), tuple(tenant.access_levels), frozenset(), "benchmark")
    numbers = passage_numbers(tenant)
    return asyncio.run(_measure(each, caller, numbers))


def passage_numbers(tenant: Any) -> dict[int, int]:
    """Of chunks by their ids."""
    from retrieval.models import Chunk
    from tenants.context import tenant_context

    with tenant_context(tenant):
        rows = Chunk.objects.order_by("document__path", "ordinal").values_list("pk", flat=True)
        return {pk: number for number, pk in enumerate(rows)}


async def _measure(
    each: Set, caller: Any, numbers: dict[int, int]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    from tenants.pool import close_pool, open_pool

    await open_pool(size=1)
    try:
        orders = {
            mode: await _orders(each, caller, numbers, mode)
            for mode in ("vector", "keyword", "hybrid")
        }
        floor = await _floor(each, caller)
    finally:
        await close_pool()
    orders["reciprocal ranks"] = [
        fuse(*both) for both in zip(orders["vector"], orders["keyword"], strict=True)
    ]
    rows = [
        {
            "set": each.name,
            "passages": len(each.passages),
            "questions": len(each.questions),
            "by": by,
            "hit_at_5": mean(each.gains, found, hit_at, 5),
            "mrr_at_10": mean(each.gains, found, reciprocal_rank, 10),
            "ndcg_at_10": mean(each.gains, found, ndcg_at, 10),
        }
        for by, found in orders.items()
    ]
    return rows, {"set": each.name, **floor}


async def _orders(each: Set, caller: Any, numbers: dict[int, int], mode: Any) -> list[list[int]]:
    caller = replace(caller, tenant=replace(caller.tenant, min_similarity=0.0))
    found = []
    for question, vector in zip(each.questions, each.question_vectors, strict=True):
        hits = await ask(caller, question, vector, mode, DEPTH)
        found.append([numbers[hit.chunk_id] for hit in hits])
    return found


async def ask(caller: Any, question: str, vector: np.ndarray, mode: Any, top_k: int) -> list[Any]:
    from retrieval.query.request import SearchRequest
    from retrieval.query.search import Probe, search
    from tenants.pool import tenant_transaction

    async with tenant_transaction(caller.tenant) as connection:
        request = SearchRequest(question, top_k=top_k, mode=mode)
        return await search(connection, caller, request, [Probe(question, vector)])


async def _floor(each: Set, caller: Any) -> dict[str, float]:
    """With the tenant's default settings. `far`: of another world; `near`: of the same trade."""
    withheld = [
        not await ask(caller, question, vector, "hybrid", 5)
        for question, vector in zip(each.questions, each.question_vectors, strict=True)
    ]
    lines = [line.split(" | ") for line in UNANSWERABLE.read_text().splitlines()]
    vectors = embed([question for _, question in lines])
    answered: dict[str, list[bool]] = {"far": [], "near": []}
    for (kind, question), vector in zip(lines, vectors, strict=True):
        answered[kind].append(bool(await ask(caller, question, vector, "hybrid", 5)))
    shares = {f"{kind}_answered": float(np.mean(found)) for kind, found in answered.items()}
    return {"wrongly_withheld": float(np.mean(withheld)), **shares}


def fuse(one: Sequence[int], other: Sequence[int]) -> list[int]:
    scores: dict[int, float] = {}
    for order in (one, other):
        for place, number in enumerate(order, start=1):
            scores[number] = scores.get(number, 0.0) + 1 / (RRF_K + place)
    return sorted(scores, key=lambda number: -scores[number])


def mean(
    gains: Sequence[dict[int, float]],
    orders: Sequence[Sequence[int]],
    figure: Callable[[dict[int, float], Sequence[int], int], float],
    k: int,
) -> float:
    return float(np.mean([figure(*each, k) for each in zip(gains, orders, strict=True)]))


if __name__ == "__main__":
    main()

"""Scores for POST /rerank: the share of the query's words that a document holds, rare ones more."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any

WORD = re.compile(r"[^\W_]+")


def rerank_response(request: dict[str, Any]) -> Any:
    """Of Cohere's shape for `documents`, of TEI's for `texts`. Raises ValueError, KeyError."""
    is_plain = "texts" in request
    given = request["texts" if is_plain else "documents"]
    documents = [part if isinstance(part, str) else part["text"] for part in given]
    if not documents:
        raise ValueError("there are no documents.")
    ranked = sorted(enumerate(score(request["query"], documents)), key=lambda pair: -pair[1])
    if is_plain:
        return [{"index": index, "score": value} for index, value in ranked]
    ranked = ranked[: int(request.get("top_n") or len(ranked))]
    results = [{"index": index, "relevance_score": value} for index, value in ranked]
    return {"model": request.get("model", "mock"), "results": results}


def score(query: str, documents: list[str]) -> list[float]:
    """From 0 to 1."""
    asked = set(WORD.findall(query.casefold()))
    held = [asked & set(WORD.findall(document.casefold())) for document in documents]
    holders = Counter(word for words in held for word in words)
    weight = {word: math.log(1 + len(documents) / (1 + holders[word])) for word in asked}
    whole = sum(weight.values()) or 1.0
    return [round(sum(weight[word] for word in words) / whole, 6) for words in held]

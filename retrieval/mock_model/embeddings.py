"""Deterministic unit vectors of hashed words: texts that share words are near each other."""

from __future__ import annotations

import base64
import re
import struct
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from retrieval.mock_model.names import read_embedding_name

REFUSED = "unembeddable"
WORD = re.compile(r"[^\W_]+")
DIMENSIONS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
DEFAULT_DIMENSION = 384
PLACES_A_WORD = 8


def embedding_response(request: dict[str, Any]) -> dict[str, Any]:
    """The body of POST /v1/embeddings. Raises ValueError for input that is not text or tokens."""
    model = str(request.get("model", "mock-embedding"))
    texts = _texts(request.get("input"))
    behaviour = read_embedding_name(model)
    if behaviour.is_refusing and any(REFUSED in text for text in texts):
        raise ValueError(f"{REFUSED} texts are refused.")
    usual = behaviour.dimension or DIMENSIONS.get(model, DEFAULT_DIMENSION)
    dimension = int(request.get("dimensions") or usual)
    encode = as_base64 if request.get("encoding_format") == "base64" else list
    data = [
        {"object": "embedding", "index": i, "embedding": encode(embed(text, dimension))}
        for i, text in enumerate(texts)
    ]
    tokens = sum(max(1, len(text) // 4) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "model": model, "data": data, "usage": usage}


def embed(text: str, dimension: int = DEFAULT_DIMENSION) -> list[float]:
    vector = [0.0] * dimension
    for word in WORD.findall(text.casefold()) or [""]:
        for place, sign in _places(word):
            vector[place % dimension] += sign
    length = sum(value * value for value in vector) ** 0.5
    return [value / length for value in vector] if length else [1.0, *vector[1:]]


def as_base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


@lru_cache(maxsize=50_000)
def _places(word: str) -> tuple[tuple[int, float], ...]:
    numbers = struct.unpack(f"<{PLACES_A_WORD}I", blake2b(word.encode(), digest_size=32).digest())
    return tuple((number >> 1, 1.0 if number & 1 else -1.0) for number in numbers)


def _texts(given: Any) -> list[str]:
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list) or not given:
        raise ValueError("'input' must be a text or a list of texts.")
    if isinstance(given[0], int):
        return [repr(given)]
    return [part if isinstance(part, str) else repr(part) for part in given]

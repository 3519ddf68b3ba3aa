"""The installation's reranker: none, a cross-encoder, or any HTTP /rerank of the shape of Cohere's,
Jina's, vLLM's or TEI's."""

from __future__ import annotations

import json
import math
import os
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2
from django.conf import settings

from ragadmin.env import without_secrets
from ragadmin.errors import ProviderError
from retrieval.providers.cross_encoder import CrossEncoder
from retrieval.providers.http_client import new_http_client
from retrieval.providers.per_loop import PerLoop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.providers.base import Reranker

NOT_THAT_SHAPE = frozenset({400, 422})
LARGEST_RESPONSE = 4_000_000
LONGEST_NAME = 120
OWN_SUFFIXES = (".local", ".internal", ".lan", ".localdomain")


_rerankers: dict[tuple[str, str, str], Reranker] = {}


def get_reranker() -> Reranker | None:
    """One for each process; None where there is none."""
    if settings.RERANKER == "none":
        return None
    key = (settings.RERANKER, settings.RERANKER_MODEL, settings.RERANKER_API_KEY)
    if key not in _rerankers:
        _rerankers.setdefault(key, _make(*key))
    return _rerankers[key]


async def close_reranker() -> None:
    """Ends the connections that the running event loop owns."""
    for reranker in _rerankers.values():
        await reranker.close()


def _make(configured: str, model: str, api_key: str) -> Reranker:
    kind, _, rest = configured.partition(":")
    if kind == "fastembed":
        return CrossEncoder(rest)
    # Both `http:URL` and a plain address are understood.
    url = configured if rest.startswith("//") else rest
    return HttpReranker(url, model=model, api_key=api_key)


class HttpReranker:
    """`POST {query, documents, top_n}`, or `{query, texts}` where an endpoint does not take that."""

    def __init__(self, url: str, *, model: str = "", api_key: str = "") -> None:
        self._url = url
        # It is told to tenants, and the books have so much room for it.
        self.name = without_secrets(url)[:LONGEST_NAME]
        self.provider = urlsplit(url).hostname or ""
        self._model = model
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._takes_texts = False
        self._clients = PerLoop(new_http_client)

    @property
    def is_free(self) -> bool:
        """At an address of our own network: whoever runs the reranker runs this."""
        return is_own_network(self.provider)

    async def score(self, question: str, texts: Sequence[str]) -> list[float]:
        try:
            shape = self._takes_texts
            response = await self._post(question, texts, as_texts=shape)
            if response.status_code in NOT_THAT_SHAPE:
                shape = not shape
                response = await self._post(question, texts, as_texts=shape)
            response.raise_for_status()
            self._takes_texts = shape
            return read_scores(response.content, len(texts))
        except httpx2.HTTPStatusError as error:
            status = error.response.status_code
            raise ProviderError(
                f"The reranker answered {status}: check RAGADMIN_RERANKER."
            ) from error
        except (httpx2.HTTPError, OSError) as error:
            raise ProviderError(
                "The reranker cannot be reached: check RAGADMIN_RERANKER.", code="model_unreachable"
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ProviderError(
                f"The reranker answered with something that is not scores ({type(error).__name__}):"
                " check RAGADMIN_RERANKER.",
                code="model_invalid",
            ) from error

    async def close(self) -> None:
        if client := self._clients.forget():
            await client.aclose()

    async def _post(
        self, question: str, texts: Sequence[str], *, as_texts: bool
    ) -> httpx2.Response:
        body: dict[str, Any] = {"query": question}
        if as_texts:
            body |= {"texts": list(texts), "raw_scores": False, "truncate": True}
        else:
            body |= {"documents": list(texts), "top_n": len(texts)}
        if self._model:
            body["model"] = self._model
        return await self._clients.get().post(
            self._url, json=body, headers=self._headers, follow_redirects=False
        )


def read_scores(content: bytes, count: int) -> list[float]:
    """In the order of the texts; what the endpoint left out comes last. Raises ValueError and its like."""
    if len(content) > LARGEST_RESPONSE:
        raise ValueError("too long")
    answered = json.loads(content)
    results = answered["results"] if isinstance(answered, dict) else answered
    scores = [-math.inf] * count
    for result in results:
        place = result["index"]
        score = float(result["relevance_score"] if "relevance_score" in result else result["score"])
        if not isinstance(place, int) or not 0 <= place < count or not math.isfinite(score):
            raise ValueError("a place or a score that cannot be")
        scores[place] = score
    if count and max(scores) == -math.inf:
        raise ValueError("no scores")
    return scores


def is_own_network(host: str) -> bool:
    """Whether it is local by its number or by its name. No name is resolved."""
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host or host.lower().endswith(OWN_SUFFIXES)


# A model's threads do not live on in a forked child, which has to load its own.
os.register_at_fork(after_in_child=_rerankers.clear)

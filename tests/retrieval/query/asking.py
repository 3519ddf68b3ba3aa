"""Asking in tests: events, the answer, and what the stub model was sent."""

from __future__ import annotations

from dataclasses import replace

import httpx

from retrieval.events import AnswerFailed, TokenAdded
from retrieval.query.answer import answer
from retrieval.query.request import AnswerRequest
from tenants.config import ModelEndpoint, Route

QUESTION = "How do I reset my password?"


async def ask(caller, question=QUESTION, **options):
    return [event async for event in answer(caller, AnswerRequest(question, **options))]


async def answered(caller, question=QUESTION, **options):
    """The body of the answer, or the error that ended it."""
    last = (await ask(caller, question, **options))[-1]
    if isinstance(last, AnswerFailed):
        raise last.error
    return last.answer


def text_of(events):
    return "".join(event.text for event in events if isinstance(event, TokenAdded))


def routed(caller, url, *, name="mock", endpoint=False, **models):
    """With routes: `simple="a b"` asks the model a first and then b, at one endpoint."""
    place = ModelEndpoint(name, url, "any", "", "")
    routes = tuple(
        Route(tier, model, place) for tier, names in models.items() for model in names.split()
    )
    return changed(caller, routes=routes, endpoint=place if endpoint else None)


def changed(caller, *, query=None, **columns):
    """With other columns of the tenant, and other settings."""
    tenant = replace(caller.tenant, **columns)
    return replace(caller, tenant=replace(tenant, query=replace(tenant.query, **(query or {}))))


async def sent_to(url):
    """The bodies of the last requests that the stub was sent."""
    async with httpx.AsyncClient() as client:
        return (await client.get(f"{url}/mock/stats")).json()["recent"]


def prompts(requests, start):
    """Those whose instructions begin like this."""
    return [one for one in requests if one["messages"][0]["content"].startswith(start)]

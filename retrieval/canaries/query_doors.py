"""Doors of the hot routes: search, answers and conversations, asked over the real ASGI application.

The owners ask the same questions first, so that whatever is kept of an answer is there to be found.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from retrieval.canaries.cast import Attempt, Cast  # noqa: TC001 - the door's signature
from retrieval.canaries.doors import NOTHING, Sight, door, survey
from retrieval.models import QueryTrace
from retrieval.providers import extractive
from retrieval.query.http import router
from tenants.context import tenant_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrieval.canaries.calls import Reply

SEARCH, ANSWERS = "Search", "Answers"
SEARCH_ROUTE, ANSWERS_ROUTE = "/api/v1/search/", "/api/v1/answers/"
STREAM_ROUTE, CHAT_ROUTE = "/stream/{slug}/answers/", "/v1/chat/completions"
PROBED = frozenset({SEARCH_ROUTE, ANSWERS_ROUTE, STREAM_ROUTE, CHAT_ROUTE})
# Which models there are, and the caller's own text as a vector: no document is read.
WITHOUT_DOCUMENTS = frozenset({"/v1/models", "/v1/models/{model:path}", "/v1/embeddings"})
EXTRACTIVE = {"model": extractive.MODEL}
MOST_HITS = 50


@survey(SEARCH, "Every hot route has a door")
def find_routes_without_door() -> Sight:
    """A route that was added to the hot path and is not probed makes this check fail."""
    paths = {str(getattr(route, "path", route)) for route in router.routes}
    missing = sorted(paths - PROBED - WITHOUT_DOCUMENTS)
    return Sight(broken=f"Not probed: {', '.join(missing)}." if missing else "", tried=len(paths))


def _search_door(mode: str) -> Callable[[Cast, Attempt], Sight]:
    def search(cast: Cast, attempt: Attempt) -> Sight:
        question = f"{attempt.target.question} {' '.join(attempt.target.words)}"
        sight = NOTHING
        for wanted in ({}, {"document_id": attempt.target.document_ids[-1]}):
            body = {"question": question, "mode": mode, "top_k": MOST_HITS, "filters": wanted}
            sight += _answered(cast.hot(SEARCH_ROUTE, body, _bearer(attempt)))
        return sight

    search.__doc__ = (
        f"POST {SEARCH_ROUTE} in the mode {mode}, for the canary's own question and words, with "
        "and without the canary's document as a filter."
    )
    return search


for _mode in ("vector", "keyword", "hybrid"):
    door(SEARCH, f"Search by {_mode}" if _mode != "hybrid" else "Hybrid search")(
        _search_door(_mode)
    )


@door(ANSWERS, "Answers")
def ask(cast: Cast, attempt: Attempt) -> Sight:
    """POST /api/v1/answers/, whole and streamed, made anew: the text, the citations and the spans."""
    body = {"question": attempt.target.question, "top_k": MOST_HITS, **EXTRACTIVE}
    body["use_cache"] = False
    sight = _answered(cast.hot(ANSWERS_ROUTE, body, _bearer(attempt)))
    return sight + _answered(cast.hot(ANSWERS_ROUTE, body | {"stream": True}, _bearer(attempt)))


@door(ANSWERS, "Kept answers")
def ask_what_was_answered(cast: Cast, attempt: Attempt) -> Sight:
    """POST /api/v1/answers/ with a question whose answer was kept a moment before, as its owner asked
    it and in other capitals."""
    body = {"question": attempt.target.question, "top_k": MOST_HITS, **EXTRACTIVE}
    kept = _kept_for_owner(cast, attempt, body)
    if kept.status != 200 or json.loads(kept.text)["cache"] != "exact":
        return Sight(broken=f"The owner's own answer was not kept: {_short(kept.text)}")
    shouted = body | {"question": attempt.target.question.upper()}
    sight = _answered(cast.hot(ANSWERS_ROUTE, body, _bearer(attempt)))
    return sight + _answered(cast.hot(ANSWERS_ROUTE, shouted, _bearer(attempt)))


def _kept_for_owner(cast: Cast, attempt: Attempt, body: dict[str, Any]) -> Reply:
    """Asked by the owner, twice: the second time it is given again. Once for all who try then."""
    owner = cast.owners[attempt.target.tenant.pk]
    asked = (owner.key_id, attempt.target.question)
    if asked not in cast.kept:
        headers = {"authorization": f"Bearer {owner.key}"}
        cast.kept[asked] = [cast.hot(ANSWERS_ROUTE, body, headers) for _ in range(2)][-1]
    return cast.kept[asked]


@door(ANSWERS, "Answers in OpenAI's protocol")
def ask_as_openai(cast: Cast, attempt: Attempt) -> Sight:
    """POST /v1/chat/completions, as an OpenAI client sends it."""
    messages = [{"role": "user", "content": attempt.target.question}]
    return _answered(cast.hot(CHAT_ROUTE, {"messages": messages, **EXTRACTIVE}, _bearer(attempt)))


@door(ANSWERS, "The playground of another tenant")
def ask_in_playground(cast: Cast, attempt: Attempt) -> Sight:
    """POST /stream/<slug>/answers/ with the visitor's browser session and the canary's slug."""
    path = STREAM_ROUTE.format(slug=attempt.target.tenant.slug)
    body = {"question": attempt.target.question, "top_k": MOST_HITS, **EXTRACTIVE}
    reply = cast.hot(path, body, attempt.visitor.browser.hot_headers())
    if not attempt.is_foreign:
        return _answered(reply)
    return Sight(reply.text, granted="" if reply.is_refused else f"{path} said {reply.status}.")


@door(ANSWERS, "Somebody else's conversation", shows_own=False)
def join_conversation(cast: Cast, attempt: Attempt) -> Sight:
    """A question in the conversation that the canary's answer was given in: it takes no turn there,
    and what was said in it is not shown."""
    conversation = attempt.target.ids["conversation_id"]
    body = {"question": "What was said before?", "conversation_id": conversation, **EXTRACTIVE}
    before = _turns(attempt, conversation)
    reply = cast.hot(ANSWERS_ROUTE, body, _bearer(attempt))
    joined = _turns(attempt, conversation) != before
    return Sight(
        reply.text,
        granted="The visitor took a turn in the conversation." if joined else "",
        broken=f"It said {reply.status}." if reply.status >= 500 else "",
    )


def _turns(attempt: Attempt, conversation_id: str) -> int:
    with tenant_context(attempt.target.tenant):
        return QueryTrace.objects.filter(conversation_id=uuid.UUID(conversation_id)).count()


def _bearer(attempt: Attempt) -> dict[str, str]:
    return {"authorization": f"Bearer {attempt.visitor.key}"}


def _answered(reply: Reply) -> Sight:
    """Visitors are let in with their own key, so a refusal means that nothing was tried."""
    broken = "" if reply.status == 200 else f"It said {reply.status}: {_short(reply.text)}"
    return Sight(reply.text, broken=broken)


def _short(text: Any) -> str:
    return str(text)[:200]

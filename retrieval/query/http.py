"""The hot routes. Their whole middleware: a request id in the log and one error shape."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import structlog
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router
from structlog.contextvars import bind_contextvars, clear_contextvars

from ragadmin.errors import NotFound, RagadminError
from ragadmin.logs import new_request_id
from retrieval.events import AnswerDone, AnswerFailed, CitationsFound, StageStarted, TokenAdded
from retrieval.query import openai_routes
from retrieval.query.access import RESPONSE_HEADERS, asker_of
from retrieval.query.answer import answer
from retrieval.query.body import read_json
from retrieval.query.failures import known_error
from retrieval.query.request import parse_answer, parse_search, parse_tuning
from retrieval.query.searching import search_documents
from retrieval.query.streams import EventStream, event

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from retrieval.events import AnswerEvent
    from retrieval.query.request import AnswerRequest
    from tenants.config import Caller

log = structlog.get_logger("ragadmin.query")


async def post_answer(request: Request) -> Response:
    caller = await asker_of(request)
    body = await read_json(request)
    caller = parse_tuning(body, caller)
    if body.get("stream"):
        return await _stream(caller, parse_answer(body))
    async with contextlib.aclosing(answer(caller, parse_answer(body))) as events:
        async for happened in events:
            if isinstance(happened, AnswerDone):
                return JSONResponse(happened.answer)
            if isinstance(happened, AnswerFailed):
                happened.error.extra["answer_id"] = happened.answer_id
                raise happened.error
    raise RagadminError("The answer ended without a result.")


async def stream_answer(request: Request) -> Response:
    """The playground's route: a browser session, always streamed, always in a conversation."""
    caller = await asker_of(request)
    body = await read_json(request)
    caller = parse_tuning(body, caller)
    return await _stream(caller, parse_answer(body, starts_conversation=True))


async def post_search(request: Request) -> Response:
    caller = await asker_of(request)
    body = await read_json(request)
    caller = parse_tuning(body, caller)
    return JSONResponse(await search_documents(caller, parse_search(body, caller.tenant)))


async def _stream(caller: Caller, asked: AnswerRequest) -> EventStream:
    """Waits for the first event, so that what is refused before it has its own HTTP status."""
    events = answer(caller, asked)
    first = await anext(events)
    return EventStream(_render(first, events), {})


async def _render(
    first: AnswerEvent, rest: AsyncGenerator[AnswerEvent, None]
) -> AsyncGenerator[bytes, None]:
    yield _as_sse(first)
    try:
        async with contextlib.aclosing(rest):
            async for happened in rest:
                yield _as_sse(happened)
    except Exception as error:  # noqa: BLE001 - the last place that can tell the reader
        yield event("error", known_error(error).as_body())


def _as_sse(happened: AnswerEvent) -> bytes:
    match happened:
        case TokenAdded(text):
            return event("token", {"text": text})
        case StageStarted(stage, answer_id, details):
            return event("status", {"stage": stage, "id": answer_id, **details})
        case CitationsFound(citations):
            return event("citations", {"citations": [one.as_json() for one in citations]})
        case AnswerDone(done):
            return event("done", done)
        case AnswerFailed(error, answer_id):
            error.extra["answer_id"] = answer_id
            return event("error", error.as_body())


class QueryMiddleware:
    """Gives each request an id, logs it when it ends, and turns errors into their one shape."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        request_id = new_request_id(headers.get(b"x-request-id", b"").decode("latin-1"))
        clear_contextvars()
        bind_contextvars(request_id=request_id)
        status, begin = 0, time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                more = {"x-request-id": request_id, **scope.get(RESPONSE_HEADERS, {})}
                message["headers"] = [
                    *message["headers"],
                    *((name.encode(), value.encode()) for name, value in more.items()),
                ]
            await send(message)

        # With an app in the scope, Starlette raises for a wrong method instead of answering in text.
        scope["app"] = self
        try:
            await self.app(scope, receive, send_with_id)
        except Exception as error:  # noqa: BLE001 - every error has a shape
            known = known_error(error)
            if status == 0:
                await error_response(scope["path"], known)(scope, receive, send_with_id)
        duration_ms = round((time.perf_counter() - begin) * 1000, 1)
        log.info(
            "request",
            method=scope["method"],
            path=scope["path"],
            status=status,
            duration_ms=duration_ms,
        )


def error_response(path: str, error: RagadminError) -> Response:
    body: dict[str, Any] = error.as_openai_body() if path.startswith("/v1/") else error.as_body()
    challenge = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
    return JSONResponse(body, status_code=error.status, headers={**error.headers, **challenge})


async def _unknown_route(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotFound("There is no such address.")


router = Router(
    routes=[
        Route("/api/v1/answers/", post_answer, methods=["POST"]),
        Route("/api/v1/search/", post_search, methods=["POST"]),
        Route("/stream/{slug}/answers/", stream_answer, methods=["POST"]),
        Route("/v1/chat/completions", openai_routes.chat_completions, methods=["POST"]),
        Route("/v1/models", openai_routes.list_models, methods=["GET"]),
        Route("/v1/models/{model:path}", openai_routes.show_model, methods=["GET"]),
        Route("/v1/embeddings", openai_routes.embeddings, methods=["POST"]),
    ],
    redirect_slashes=False,
    default=_unknown_route,
)
application = QueryMiddleware(router)

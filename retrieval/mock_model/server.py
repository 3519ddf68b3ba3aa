"""The stub's server: a bare asyncio.Protocol, so that a thousand paced streams cost it little CPU."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import deque
from typing import TYPE_CHECKING, Any, cast

import uvloop

from ragadmin.errors import ConfigurationError
from retrieval.mock_model import http, payloads
from retrieval.mock_model.embeddings import embedding_response
from retrieval.mock_model.names import Behaviour, read_embedding_name, read_name
from retrieval.mock_model.replies import cut_at_stop, reply_pieces
from retrieval.mock_model.reranking import rerank_response

if TYPE_CHECKING:
    import argparse

KEPT_REQUESTS = 50


class Counters:
    """What the stub has been asked, for `GET /mock/stats`."""

    def __init__(self) -> None:
        self.requests = self.completed = self.abandoned = 0
        self.recent: deque[Any] = deque(maxlen=KEPT_REQUESTS)
        # Tokens by model, as a provider bills them.
        self.billed: dict[str, dict[str, int]] = {}

    def bill(self, model: str, usage: dict[str, int]) -> None:
        sums = self.billed.setdefault(model, dict.fromkeys(usage, 0))
        for name, tokens in usage.items():
            sums[name] += tokens

    def as_json(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "completed": self.completed,
            "abandoned": self.abandoned,
            "recent": list(self.recent),
            "billed": self.billed,
        }


class MockModel(asyncio.Protocol):
    def __init__(self, counters: Counters) -> None:
        self.counters = counters
        self.received = b""
        self.transport: asyncio.Transport | None = None
        self.answering = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not asyncio.Transport by class.
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self.answering:
            self.answering = False
            self.counters.abandoned += 1

    def data_received(self, data: bytes) -> None:
        self.received += data
        try:
            request, self.received = http.take_request(self.received)
            while request:
                self._answer(request)
                request, self.received = http.take_request(self.received)
        except ValueError:
            self._send(http.error_response(400, "This is not HTTP.", "bad_request"), last=True)

    def _answer(self, request: http.Request) -> None:
        match request.method, request.path.removeprefix("/v1"):
            case "GET", "/models":
                self._send(http.json_response(payloads.model_list()))
            case "GET", "/mock/stats":
                self._send(http.json_response(self.counters.as_json()))
            case "POST", "/embeddings" | "/chat/completions" | "/rerank" as path:
                self._answer_post(path, request.body)
            case _:
                self._send(http.error_response(404, f"No route {request.path}.", "not_found"))

    def _answer_post(self, path: str, body: bytes) -> None:
        self.counters.requests += 1
        try:
            asked = json.loads(body)
            self.counters.recent.append(asked)
            if path == "/embeddings":
                answered = embedding_response(asked)
                self.counters.bill(str(asked.get("model")), answered["usage"])
                response = http.json_response(answered)
                self.answering = True
                self._later(read_embedding_name(str(asked.get("model"))).delay_s, response, False)
            elif path == "/rerank":
                self._rerank(asked)
            else:
                self._chat(asked)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"The request cannot be read: {error}"
            self._send(http.error_response(400, message, "invalid_request"))

    def _rerank(self, asked: dict[str, Any]) -> None:
        if not self._fails(asked, read_name(str(asked.get("model", "")))):
            self._finish(http.json_response(rerank_response(asked)), False)

    def _chat(self, asked: dict[str, Any]) -> None:
        behaviour = read_name(asked["model"])
        if not self._fails(asked, behaviour):
            self._generate(asked, behaviour)

    def _fails(self, asked: dict[str, Any], behaviour: Behaviour) -> bool:
        """Whether it goes wrong in one of the ways in which nothing is answered."""
        if behaviour.failure in {"hang", "mute"}:
            self.answering = True
            if behaviour.failure == "mute":
                self._send(http.STREAM_HEAD + b"".join(payloads.stream_frames(asked["model"], ())))
        elif behaviour.failure == "error":
            code = "rate_limit_exceeded" if behaviour.failure_value == 429 else "mock_error"
            status, message = behaviour.failure_value, "The stub was told to."
            self._send(http.error_response(status, message, code, behaviour.retry_after_s))
        elif behaviour.failure == "garbage":
            self._send_garbage(bool(asked.get("stream")))
        else:
            return False
        return True

    def _generate(self, asked: dict[str, Any], behaviour: Behaviour) -> None:
        pieces = cut_at_stop(reply_pieces(asked["messages"], behaviour), asked.get("stop"))
        limit = asked.get("max_completion_tokens") or asked.get("max_tokens") or len(pieces)
        finish = "length" if limit < len(pieces) else "stop"
        pieces = pieces[:limit]
        usage = payloads.count_usage(asked["messages"], len(pieces))
        self.counters.bill(asked["model"], usage)
        self.answering = True
        if asked.get("stream"):
            options = asked.get("stream_options") or {}
            told = usage if options.get("include_usage") else None
            self._stream(asked["model"], pieces, finish, told, behaviour)
            return
        whole = http.json_response(
            payloads.completion(asked["model"], "".join(pieces), finish, usage)
        )
        if behaviour.failure == "drop":
            whole = whole[: len(whole) // 2]
        seconds = behaviour.first_token_s + len(pieces) * behaviour.delay_s
        self._later(seconds, whole, behaviour.failure == "drop")

    def _later(self, seconds: float, data: bytes, last: bool) -> None:
        if seconds:
            asyncio.get_running_loop().call_later(seconds, self._finish, data, last)
        else:
            self._finish(data, last)

    def _stream(
        self,
        model: str,
        pieces: tuple[str, ...],
        finish: str,
        usage: dict[str, int] | None,
        behaviour: Behaviour,
    ) -> None:
        frames = payloads.stream_frames(model, pieces)
        end = payloads.stream_end(model, finish, usage)
        drops = behaviour.failure == "drop"
        if drops:
            frames, end = frames[: behaviour.failure_value], b""
        self._send(http.STREAM_HEAD)
        if behaviour.first_token_s == behaviour.delay_s == 0:
            self._finish(b"".join(frames) + end, drops)
            return
        loop = asyncio.get_running_loop()
        start = loop.time() + behaviour.first_token_s

        def send_frame(i: int) -> None:
            if self.transport is None:
                return
            if i == len(frames):
                self._finish(end, drops)
                return
            self.transport.write(frames[i])
            loop.call_at(start + (i + 1) * behaviour.delay_s, send_frame, i + 1)

        loop.call_at(start, send_frame, 0)

    def _send_garbage(self, stream: bool) -> None:
        if stream:
            self._send(http.STREAM_HEAD + http.event(b'{"choices": [{"delta": ') + http.STREAM_END)
        else:
            self._send(http.raw_response(b"<html>this is not JSON</html>"))

    def _finish(self, data: bytes, last: bool) -> None:
        if self.transport is not None:
            self.answering = False
            self.counters.completed += 1
            self._send(data, last=last)

    def _send(self, data: bytes, *, last: bool = False) -> None:
        if self.transport is not None:
            self.transport.write(data)
            if last:
                self.transport.close()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=9100, help="0 takes any free port")
    parser.add_argument("--host", default="127.0.0.1")


async def start_server(host: str, port: int) -> asyncio.Server:
    counters = Counters()
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: MockModel(counters), host, port, backlog=4096)


def serve(host: str, port: int) -> None:
    """Runs until interrupted. Raises ConfigurationError if the port is taken."""
    try:
        uvloop.run(_serve(host, port))
    except KeyboardInterrupt:
        pass
    except OSError as error:
        raise ConfigurationError(
            f"The stub cannot listen on {host}:{port} ({error.strerror or error}): "
            "choose another --port."
        ) from None


async def _serve(host: str, port: int) -> None:
    server = await start_server(host, port)
    taken = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"The stub model listens on http://{host}:{taken}/v1 (any API key).\n")
    sys.stdout.flush()
    await server.serve_forever()

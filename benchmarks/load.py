"""A load generator for streamed answers: a bare asyncio.Protocol client, some 10 µs of CPU a token."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import uvloop

from benchmarks.common import percentile

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOPBACK = {"127.0.0.1", "::1", "localhost"}
PIECE = re.compile(rb'"content": ?"((?:[^"\\]|\\.)+)"')
LONGEST_SECONDS = 60
END_OF_BODY = b"0\r\n\r\n"
LENGTH = re.compile(rb"content-length: *(\d+)")


@dataclass
class Load:
    """What came back. Times are milliseconds of good answers only."""

    first_token_ms: list[float] = field(default_factory=list)
    total_ms: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def good(self) -> int:
        return len(self.total_ms)

    @property
    def asked(self) -> int:
        return self.good + self.errors.total()

    def summary(self) -> dict[str, Any]:
        return {
            "ttft_p50_ms": percentile(self.first_token_ms, 0.5),
            "ttft_p95_ms": percentile(self.first_token_ms, 0.95),
            "total_p95_ms": percentile(self.total_ms, 0.95),
            "errors": self.errors.total(),
        }


@dataclass(frozen=True)
class Target:
    url: str
    key: str
    model: str
    questions: Sequence[str]
    least_words: int

    @classmethod
    def of_new_questions(
        cls, url: str, key: str, model: str, texts: Sequence[str], count: int, least_words: int
    ) -> Target:
        """`count` questions on pairs of subjects, all different, so that no cache answers them."""
        pairs = list(itertools.permutations(texts, 2))
        if len(pairs) < count:
            raise ValueError(f"{len(texts)} subjects make only {len(pairs)} questions.")
        chosen = random.sample(pairs, count)
        questions = [f"What does {one} have to do with {other}?" for one, other in chosen]
        return cls(url, key, model, questions, least_words)

    def requests(self) -> list[bytes]:
        parts = urlsplit(self.url)
        if parts.hostname not in LOOPBACK:
            raise ValueError(f"Load is put on this machine only, not on {parts.hostname}.")
        return [self._request(parts.netloc, parts.path, question) for question in self.questions]

    def _request(self, netloc: str, path: str, question: str) -> bytes:
        asked = {
            "model": self.model,
            "stream": True,
            "stream_options": {"include_usage": True},
            "messages": [{"role": "user", "content": question}],
        }
        body = json.dumps(asked).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {netloc}\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {self.key}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


class Client(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.done: asyncio.Future[str] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._end("connection lost")

    def ask(self, request: bytes) -> asyncio.Future[str]:
        """Gives "" or what went wrong."""
        self.done = asyncio.get_running_loop().create_future()
        self.head, self.body, self.first_at = b"", bytearray(), 0.0
        self.need, self.chunked = 0, False
        self.started = time.perf_counter()
        self.transport.write(request)
        return self.done

    def data_received(self, data: bytes) -> None:
        if self.done is None or self.done.done():
            return
        if not self.body and not self.head.endswith(b"\r\n\r\n"):
            data = self._take_head(data)
        if not self.first_at and PIECE.search(data):
            self.first_at = time.perf_counter()
        self.body += data
        if self._is_whole():
            self._end("")

    def _take_head(self, data: bytes) -> bytes:
        head, gap, rest = (self.head + data).partition(b"\r\n\r\n")
        self.head = head + gap
        if gap:
            lower = head.lower()
            self.chunked = b"transfer-encoding: chunked" in lower
            length = LENGTH.search(lower)
            self.need = int(length[1]) if length else 0
        return rest

    def _is_whole(self) -> bool:
        if self.chunked:
            return self.body.endswith(END_OF_BODY)
        return self.head.endswith(b"\r\n\r\n") and len(self.body) >= self.need

    def _end(self, problem: str) -> None:
        if self.done is not None and not self.done.done():
            self.done.set_result(problem)

    def problem(self, least_words: int) -> str:
        status = self.head[9:12].decode()
        if status != "200":
            return f"HTTP {status} {bytes(self.body[:160])!r}"
        if b"[DONE]" not in self.body:
            return "no [DONE]"
        words = len(b"".join(PIECE.findall(bytes(self.body))).split())
        return "" if words >= least_words else f"only {words} words"


def put_load(target: Target, *, concurrency: int, requests: int, ramp: float = 0) -> Load:
    """`ramp`: seconds over which the first requests are spread, as callers do not come in step."""
    return uvloop.run(_put_load(target, concurrency, requests, ramp))


async def _put_load(target: Target, concurrency: int, requests: int, ramp: float) -> Load:
    load = Load()
    waiting = iter(range(requests))
    prepared = target.requests()
    start = time.perf_counter()

    async def ask_in_turn(place: int) -> None:
        client: Client | None = None
        await asyncio.sleep(ramp * place / concurrency)
        for number in waiting:
            client = await _ask(client, target, prepared[number % len(prepared)], load)
        if client and client.transport:
            client.transport.close()

    await asyncio.gather(*(ask_in_turn(place) for place in range(concurrency)))
    load.seconds = time.perf_counter() - start
    return load


async def _ask(client: Client | None, target: Target, request: bytes, load: Load) -> Client | None:
    """One request on `client`, or on a new connection; gives the connection if it can go on."""
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            if client is None or client.transport is None or client.transport.is_closing():
                client = await _connect(target.url)
            problem = await client.ask(request)
    except (OSError, TimeoutError) as error:
        load.errors[type(error).__name__] += 1
        if client and client.transport:
            client.transport.abort()
        return None
    problem = problem or client.problem(target.least_words)
    if problem:
        load.errors[problem] += 1
    else:
        load.total_ms.append((time.perf_counter() - client.started) * 1000)
        load.first_token_ms.append((client.first_at - client.started) * 1000)
    return client


async def _connect(url: str) -> Client:
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(Client, parts.hostname or "", parts.port or 80)
    return client

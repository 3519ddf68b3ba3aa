"""Gathers what concurrent callers ask into one run of the model.

A run starts at once when the model is idle; what arrives during a run makes up the next one. Nobody
waits for a timer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    import numpy as np

LARGEST_RUN = 32


@dataclass(slots=True)
class _Request:
    text: str
    vector: asyncio.Future[np.ndarray]


class MicroBatcher:
    """Belongs to one event loop; `run` is called in `executor` and returns a row for each text."""

    def __init__(self, run: Callable[[Sequence[str]], np.ndarray], executor: Executor) -> None:
        self._run = run
        self._executor = executor
        self._waiting: deque[_Request] = deque()
        self._drain_task: asyncio.Task[None] | None = None

    async def embed(self, texts: Sequence[str]) -> list[np.ndarray]:
        loop = asyncio.get_running_loop()
        requests = [_Request(text, loop.create_future()) for text in texts]
        self._waiting.extend(requests)
        if self._drain_task is None:
            self._drain_task = loop.create_task(self._drain())
        return await asyncio.gather(*(request.vector for request in requests))

    async def _drain(self) -> None:
        try:
            while batch := self._next_batch():
                await self._answer(batch)
        finally:
            # Kept no longer than it runs: a task holds its loop, and idle state must not.
            self._drain_task = None

    def _next_batch(self) -> list[_Request]:
        batch: list[_Request] = []
        while self._waiting and len(batch) < LARGEST_RUN:
            request = self._waiting.popleft()
            # A caller who went away is done already.
            if not request.vector.done():
                batch.append(request)
        return batch

    async def _answer(self, batch: list[_Request]) -> None:
        loop = asyncio.get_running_loop()
        # Who asks the same shares a row.
        rows = {text: row for row, text in enumerate(dict.fromkeys(r.text for r in batch))}
        try:
            vectors = await loop.run_in_executor(self._executor, self._run, list(rows))
        except Exception as error:  # noqa: BLE001 - handed to those who asked, whatever it is
            for request in batch:
                if not request.vector.done():
                    request.vector.set_exception(error)
            return
        for request in batch:
            if not request.vector.done():
                request.vector.set_result(vectors[rows[request.text]])

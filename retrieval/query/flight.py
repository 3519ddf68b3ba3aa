"""One question at a time: who asks the same while it is being answered waits for that answer.

Within a process those who wait stand in line; between processes one holds a lease in Redis, which
lapses with its process. Without Redis it holds within each process.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from retrieval.providers.per_loop import PerLoop
from retrieval.query import redis_store
from retrieval.query.cache import may_be_served
from retrieval.query.config_hash import exact_key
from tenants.redis_keys import tenant_key

if TYPE_CHECKING:
    from retrieval.query.run import Run

LEASE_SECONDS, RENEW_SECONDS = 8.0, 2.0
POLL_SECONDS = 0.05
# Who has waited so long for others asks for itself.
LONGEST_WAIT = 60.0


@dataclass(slots=True)
class _Line:
    """Those of this process who wait for one answer. True: lead on. False: there is no need to."""

    waiting: deque[asyncio.Future[bool]] = field(default_factory=deque)

    def pass_on(self) -> bool:
        """Whether somebody leads now."""
        while self.waiting:
            next_one = self.waiting.popleft()
            if not next_one.done():
                next_one.set_result(True)
                return True
        return False

    def dismiss(self) -> None:
        for one in self.waiting:
            if not one.done():
                one.set_result(False)


_lines: PerLoop[dict[str, _Line]] = PerLoop(dict)


class Lead:
    """The right to ask the model, until it is released."""

    def __init__(self, run: Run, key: str) -> None:
        self._run, self._key = run, key
        self._token = uuid.uuid4().hex
        self._renewal: asyncio.Task[None] | None = None

    async def acquire(self) -> None:
        """Waits while another process has the lease."""
        end = asyncio.get_running_loop().time() + LONGEST_WAIT
        while True:
            is_ours = await redis_store.acquire_lease(self._key, self._token, LEASE_SECONDS)
            if is_ours:
                self._renewal = asyncio.create_task(self._renew())
            if is_ours is not False or asyncio.get_running_loop().time() > end:
                return
            await asyncio.sleep(POLL_SECONDS)

    async def release(self) -> None:
        """Lets those who wait go on. Never fails."""
        line = _lines.get().get(self._key)
        try:
            if self._renewal is not None:
                self._renewal.cancel()
                await redis_store.release_lease(self._key, self._token)
        finally:
            # An answer that may not be kept, or a model that fails, is the same for all who wait:
            # each for itself. One that was broken off says nothing.
            was_broken_off = self._run.outcome.status == "cancelled"
            if line is not None and not (was_broken_off and line.pass_on()):
                _lines.get().pop(self._key, None)
                line.dismiss()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await redis_store.renew_lease(self._key, self._token, LEASE_SECONDS)


async def lead(run: Run) -> Lead | None:
    """Returns when it is the run's turn to ask, or when there may be an answer to take over."""
    if not may_be_served(run):
        return None
    tenant = run.caller.tenant
    key = tenant_key(tenant.id, f"flight:{exact_key(run.caller, run.request, run.question)}")
    lines = _lines.get()
    if key in lines:
        with run.clock.span("cache", what="wait"):
            if not await _wait(lines[key]):
                return None
    else:
        lines[key] = _Line()
    mine = Lead(run, key)
    try:
        await mine.acquire()
    except asyncio.CancelledError:
        run.outcome.status = "cancelled"
        await asyncio.shield(mine.release())
        raise
    return mine


async def _wait(line: _Line) -> bool:
    """Whether it is ours to lead."""
    turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    line.waiting.append(turn)
    try:
        async with asyncio.timeout(LONGEST_WAIT):
            return await turn
    except TimeoutError:
        return turn.done() and not turn.cancelled() and turn.result()
    except asyncio.CancelledError:
        if turn.done() and not turn.cancelled() and turn.result() and not line.pass_on():
            _forget(line)
        raise
    finally:
        with contextlib.suppress(ValueError):
            line.waiting.remove(turn)


def _forget(line: _Line) -> None:
    lines = _lines.get()
    for key in [key for key, each in lines.items() if each is line]:
        del lines[key]

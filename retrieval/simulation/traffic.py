"""Asks made-up questions at a rate, through the very path that people's questions take."""

from __future__ import annotations

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from django.db import connections

from ragadmin.errors import BudgetExceeded, PermissionDenied, RagadminError, RateLimited
from retrieval.events import AnswerDone, AnswerFailed
from retrieval.query.answer import answer
from retrieval.query.lifespan import close_all
from retrieval.query.limits import admit
from retrieval.query.request import AnswerRequest
from retrieval.services.feedback import rate_answer
from retrieval.simulation.opinions import form_opinion
from retrieval.simulation.tally import Tally
from tenants.access import suspended, tenant_config
from tenants.config import Caller
from tenants.context import tenant_context
from tenants.models import Tenant
from tenants.pool import open_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from retrieval.simulation.opinions import Opinion
    from retrieval.simulation.questions import Planned, QuestionMaker
    from tenants.config import TenantConfig

log = structlog.get_logger("ragadmin.simulation")

LABEL = "demo traffic"
CONNECTIONS = 4
# Where answers are slower than questions come, later ones wait.
MOST_AT_ONCE = 32
# After Ctrl-C those that are being answered may still end.
GRACE_SECONDS = 5
# How long a changed setting, a new budget or a suspension may be missed.
CONFIG_SECONDS = 5.0


@dataclass(slots=True)
class Site:
    """A tenant and its readers. `weight` is its share of the questions."""

    tenant: Tenant
    maker: QuestionMaker
    weight: float = 1.0
    config: TenantConfig | None = None
    config_at: float = 0.0
    # By the number of the question that began it; None where it was not answered.
    conversations: dict[int, asyncio.Future[str | None]] = field(
        default_factory=dict[int, "asyncio.Future[str | None]"]
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """`rate` in questions a second. `without_models`: passages are quoted, so that nothing is paid."""

    questions: int
    rate: float
    is_even: bool = False
    model: str = "auto"
    without_models: bool = False
    seed: int | str = 0


class Traffic:
    """One run. `tally` may be read while it goes on."""

    def __init__(
        self, sites: Sequence[Site], plan: Plan, is_stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self.tally = Tally()
        self._sites, self._plan, self._is_stopping = sites, plan, is_stopping
        self._random = Random(f"arrivals {plan.seed}")  # noqa: S311
        # Django's connections belong to threads; one keeps ratings in order and the database free.
        self._orm = ThreadPoolExecutor(1, "ratings")

    def run(self) -> Tally:
        """Blocks until all are answered, or Ctrl-C has ended it."""
        with asyncio.Runner() as runner:
            try:
                runner.run(self._run())
            finally:
                self._orm.submit(connections.close_all).result()
                self._orm.shutdown()
        return self.tally

    async def _run(self) -> None:
        await open_pool(CONNECTIONS)
        tasks: set[asyncio.Task[None]] = set()
        try:
            await self._arrive(tasks)
            await asyncio.gather(*tasks)
        except asyncio.CancelledError:
            self.tally.is_interrupted = True
        finally:
            # Before the pool is gone: each stores what became of its question.
            await _end(tasks)
            await close_all()

    async def _arrive(self, tasks: set[asyncio.Task[None]]) -> None:
        places = asyncio.Semaphore(MOST_AT_ONCE)
        weights = [site.weight for site in self._sites]
        due = time.monotonic()
        for _ in range(self._plan.questions if self._sites else 0):
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await places.acquire()
            if self._is_stopping():
                self.tally.is_interrupted = True
                return
            site = self._random.choices(self._sites, weights)[0]
            task = asyncio.create_task(self._ask(site, site.maker.next()))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            task.add_done_callback(lambda _: places.release())
            due += self._pause()

    def _pause(self) -> float:
        """Poisson arrivals: independent of each other, as those of many people are."""
        rate = self._plan.rate
        return 1 / rate if self._plan.is_even else self._random.expovariate(rate)

    async def _ask(self, site: Site, planned: Planned) -> None:
        self.tally.note_asked(planned)
        opened: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        if planned.is_followed:
            site.conversations[planned.number] = opened
        answered: dict[str, Any] | None = None
        try:
            answered = await self._answer(site, planned)
            self.tally.note_answer(answered)
        except (RateLimited, BudgetExceeded, PermissionDenied) as error:
            self.tally.refused[error.code] += 1
        except RagadminError as error:
            self.tally.errors[error.code] += 1
        except Exception:
            log.exception("simulated_question_failed", tenant=site.tenant.slug)
            self.tally.errors["internal"] += 1
        finally:
            if not opened.done():
                opened.set_result(answered["conversation_id"] if answered else None)
        if answered:
            await self._rate(site, planned, answered)

    async def _answer(self, site: Site, planned: Planned) -> dict[str, Any]:
        """Raises RagadminError, also where the answer broke off."""
        caller = await self._caller(site, planned.access_levels)
        request = AnswerRequest(
            planned.question,
            model=self._plan.model,
            conversation_id=await self._conversation(site, planned),
            starts_conversation=planned.is_followed,
        )
        await admit(caller)
        async with contextlib.aclosing(answer(caller, request)) as events:
            async for event in events:
                match event:
                    case AnswerDone(answer=done):
                        return done
                    case AnswerFailed(error=error):
                        raise error
                    case _:
                        pass
        raise RagadminError("The answer ended without a word.")

    async def _conversation(self, site: Site, planned: Planned) -> str | None:
        if planned.follows is None:
            return None
        opened = site.conversations.pop(planned.follows, None)
        return await opened if opened else None

    async def _caller(self, site: Site, access_levels: tuple[str, ...]) -> Caller:
        """As the tenant stands now. Raises TenantGone or PermissionDenied."""
        config = site.config
        if config is None or time.monotonic() > site.config_at + CONFIG_SECONDS:
            site.config_at = time.monotonic()
            config = site.config = await self._in_orm(self._config, site.tenant)
        return Caller(
            tenant=config,
            access_levels=tuple(each for each in access_levels if each in config.access_levels),
            scopes=frozenset({"query"}),
            label=LABEL,
            is_simulated=True,
        )

    def _config(self, tenant: Tenant) -> TenantConfig:
        config = tenant_config(tenant)
        if config.status == Tenant.Status.SUSPENDED:
            raise suspended(tenant)
        return replace(config, endpoint=None, routes=()) if self._plan.without_models else config

    async def _rate(self, site: Site, planned: Planned, answered: dict[str, Any]) -> None:
        seed = f"{self._plan.seed} {site.tenant.slug} {planned.number}"
        is_elsewhere = planned.kind == "elsewhere"
        opinion = form_opinion(answered, Random(seed), is_elsewhere=is_elsewhere)  # noqa: S311
        if opinion is None:
            return
        try:
            await self._in_orm(_store_rating, site.tenant, UUID(answered["id"]), opinion)
            self.tally.ratings[opinion.rating] += 1
        except RagadminError as error:
            self.tally.errors[error.code] += 1

    async def _in_orm(self, function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._orm, function, *args)


def _store_rating(tenant: Tenant, trace_id: UUID, opinion: Opinion) -> None:
    with tenant_context(tenant):
        rate_answer(trace_id=trace_id, rating=opinion.rating, reason=opinion.reason, rated_by=LABEL)


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=GRACE_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

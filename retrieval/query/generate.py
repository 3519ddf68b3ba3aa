"""The answer's text, from a model or from the passages themselves, checked as it comes."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import TYPE_CHECKING

from ragadmin.errors import ProviderError
from retrieval.providers import extractive
from retrieval.query import breaker, llm_cache
from retrieval.query.asking import Prompt, Reply
from retrieval.query.attempts import NO_MODEL, Attempts, book, first_reply
from retrieval.query.citations import CitationFilter, cite
from retrieval.query.context import Notes, reserve_from
from retrieval.query.embed import try_to_embed
from retrieval.query.neutral import without_citations
from retrieval.query.pricing import FREE_EMBEDDERS, price_call
from retrieval.query.prompt import build_messages
from retrieval.query.routing import largest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from retrieval.providers.base import Delta
    from retrieval.query.llm_cache import KeptReply
    from retrieval.query.routing import Choice, Plan
    from retrieval.query.run import Run
    from retrieval.types import Usage

NOTHING_FOUND = "The documents you may read hold nothing near enough to this question to answer it."


class Writing:
    """The answer as it is being written: what the model said, and what of it is shown."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.checked = CitationFilter([hit.rank for hit in run.outcome.hits])
        self.raw: list[str] = []
        self.usage: Usage | None = None
        self.is_ended = False

    def take(self, delta: Delta) -> str:
        """The text that may be shown now."""
        if delta.finish_reason is not None:
            self.is_ended = True
            self.usage, self.run.outcome.finish_reason = delta.usage, delta.finish_reason
        self.raw.append(delta.text)
        return self.show(self.checked.feed(delta.text))

    def show(self, text: str) -> str:
        outcome = self.run.outcome
        if text:
            outcome.first_token_ms = outcome.first_token_ms or self.run.clock.now()
            outcome.answer += text
        return text

    def show_whole(self, text: str) -> str:
        return self.show(self.checked.feed(text) + self.checked.finish())


async def generate(run: Run, plan: Plan) -> AsyncGenerator[str, None]:
    """The checked text, kept on the outcome as it comes, so that a cut-off answer is kept too.

    Between models it falls back until the first text is there. Raises ProviderError.
    """
    outcome, writing, prompt = run.outcome, Writing(run), _prompt(run)
    with run.clock.span("generate") as span:
        reply = await _begin(run, plan, prompt)
        span.attributes["model"] = outcome.route.model if outcome.route else ""
        if not isinstance(reply, Reply):
            outcome.saved_tokens = 0
            yield writing.show_whole(reply)
        else:
            try:
                if text := writing.take(reply.first):
                    yield text
                async with contextlib.aclosing(reply.rest) as rest:
                    async for delta in rest:
                        if text := writing.take(delta):
                            yield text
            except ProviderError as error:
                breaker.note_failure(reply.choice, error)
                raise
            finally:
                _book(run, reply.choice, prompt, writing)
            if text := writing.show(writing.checked.finish()):
                yield text
            await _end_well(run, reply.choice, prompt, writing)
    outcome.citations = cite(writing.checked.cited, outcome.hits, run.question)


async def _begin(run: Run, plan: Plan, prompt: Prompt) -> Reply | str:
    """A model that has begun to answer, or all of an answer that needs none."""
    outcome = run.outcome
    if not outcome.hits:
        outcome.abstained = True
        outcome.route = plan.decision(extractive.MODEL, reasons=["nothing is near enough"])
        return NOTHING_FOUND
    outcome.route = plan.decision(plan.model)
    if plan.choices:
        attempts = Attempts()
        reply = await first_reply(run, plan, prompt, attempts)
        if reply is not None:
            outcome.prompt = [{"role": one.role, "content": one.content} for one in prompt.messages]
        if isinstance(reply, Reply):
            return reply
        if reply is not None:
            return _serve(run, reply)
        _do_without(run, plan, attempts)
    return "\n\n".join(
        f"“{without_citations(quote.text)}” [{quote.n}]" for quote in await choose_quotes(run)
    )


def _prompt(run: Run) -> Prompt:
    request, query = run.request, run.caller.tenant.query
    history = run.history if run.history_in_prompt else ()
    temperature = query.temperature if request.temperature is None else request.temperature
    return Prompt(
        build_messages(run.question, run.outcome.hits, history, query.instructions),
        request.max_tokens or query.answer_tokens,
        temperature,
        request.stop,
        query.first_token_seconds,
    )


def _do_without(run: Run, plan: Plan, attempts: Attempts) -> None:
    """No model answers. Raises ProviderError where the caller wanted one by name and it failed."""
    if attempts.refusal:
        run.purse.step = NO_MODEL
    elif plan.is_named and attempts.error is not None:
        raise attempts.error
    else:
        run.note_degraded("model")
    reasons = [*attempts.reasons, "the passages are quoted"]
    run.outcome.route = plan.decision(extractive.MODEL, tuple(attempts.tried), reasons)


def _serve(run: Run, kept: KeptReply) -> str:
    outcome = run.outcome
    outcome.cache, outcome.cached_at = "llm", kept.kept_at
    outcome.finish_reason = kept.finish_reason
    model = outcome.route.model if outcome.route else ""
    before = price_call(run.caller.tenant, "generation", "", model, kept.usage).cost_usd
    if before:
        outcome.saved["cache"] = outcome.saved.get("cache", Decimal(0)) + before
    return kept.text


def _book(run: Run, choice: Choice, prompt: Prompt, writing: Writing) -> None:
    usage = book(run, choice, prompt, writing.usage, "".join(writing.raw))
    paid, large = run.outcome.calls[-1].cost_usd, largest(run.caller.tenant)
    if large is None or paid is None or large.model == choice.model:
        return
    whole = price_call(run.caller.tenant, "generation", "", large.model, usage).cost_usd
    if whole is not None and whole > paid:
        run.outcome.saved["routing"] = whole - paid


async def _end_well(run: Run, choice: Choice, prompt: Prompt, writing: Writing) -> None:
    breaker.note_success(choice)
    if writing.is_ended:
        await llm_cache.keep(run, choice, prompt, "".join(writing.raw), run.outcome.usage)


async def choose_quotes(run: Run) -> list[extractive.Quote]:
    """By words, and by meaning too where embedding a sentence costs nothing."""
    quotes = extractive.candidates(run.question, run.outcome.hits)
    if run.vector is None or not run.caller.tenant.embedding_model.startswith(FREE_EMBEDDERS):
        return extractive.choose(quotes)
    # Part of the generation, and no stage of its own.
    notes = Notes(reserve=reserve_from(run), calls=run.outcome.calls)
    vectors = await try_to_embed(run.caller, [quote.text for quote in quotes], notes)
    return extractive.choose(quotes, None if vectors is None else vectors @ run.vector)

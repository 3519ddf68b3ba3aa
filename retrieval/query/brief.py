"""Short questions to the model of the tier `rewrite`, for wordings of a question. Always optional:
whatever goes wrong, the question goes on as it was asked."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from ragadmin.errors import ProviderError
from retrieval.query import breaker, llm_cache
from retrieval.query.asking import Prompt, ask_whole
from retrieval.query.pricing import estimate_call, estimate_usage, most_tokens, price_call
from retrieval.query.routing import NO_MODEL, REWRITE, choices_for

if TYPE_CHECKING:
    from retrieval.query.llm_cache import KeptReply
    from retrieval.query.routing import Choice
    from retrieval.query.run import Run
    from retrieval.types import CallKind, Message, Usage

# Whoever asks is waiting for an answer, of which this is only the beginning.
PATIENCE_SECONDS = 8.0


def can_ask(run: Run) -> bool:
    """Whether there is a model, and money for more than the answer itself."""
    return run.purse.step != NO_MODEL and bool(choices_for(run.caller.tenant, REWRITE))


async def ask_briefly(
    run: Run, kind: CallKind, messages: tuple[Message, ...], max_tokens: int
) -> str | None:
    """What the first model that can answers; None if none does. Raises Unavailable."""
    tenant = run.caller.tenant
    patience = min(PATIENCE_SECONDS, tenant.query.first_token_seconds)
    prompt = Prompt(messages, max_tokens, 0.0, (), patience)
    for choice in choices_for(tenant, REWRITE):
        if kept := await llm_cache.look_up(run, choice, prompt):
            return _serve(run, kind, choice, kept)
        if breaker.admits(choice):
            text = await _ask(run, kind, choice, prompt)
            if text is not None:
                return text
    return None


async def _ask(run: Run, kind: CallKind, choice: Choice, prompt: Prompt) -> str | None:
    tenant = run.caller.tenant
    most = estimate_call(tenant, choice, most_tokens(prompt.messages), prompt.max_tokens)
    if not await run.purse.reserve(run.id, most):
        breaker.note_abandoned(choice)
        return None

    def pay(usage: Usage) -> None:
        call = price_call(tenant, kind, choice.endpoint.name, choice.model, usage)
        run.outcome.calls.append(call)

    try:
        text, counted = await ask_whole(choice, prompt)
    except ProviderError as error:
        if error.usage is not None:
            pay(error.usage)
        return None
    except BaseException:
        # Who has left may still be charged for what was sent.
        pay(estimate_usage(prompt.messages, ""))
        raise
    usage = counted or estimate_usage(prompt.messages, text)
    pay(usage)
    await llm_cache.keep(run, choice, prompt, text, usage)
    return text


def _serve(run: Run, kind: CallKind, choice: Choice, kept: KeptReply) -> str:
    before = price_call(run.caller.tenant, kind, "", choice.model, kept.usage).cost_usd
    if before:
        saved = run.outcome.saved
        saved["cache"] = saved.get("cache", Decimal(0)) + before
    return kept.text

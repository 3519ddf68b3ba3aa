"""A plan's models in turn, until one begins to answer: each from what it said before to the same
request, as far as its breaker admits it and the budget has room for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ragadmin.errors import ProviderError
from retrieval.query import breaker, llm_cache
from retrieval.query.asking import Reply, ask
from retrieval.query.pricing import estimate_call, estimate_usage, most_tokens, price_call
from retrieval.types import Usage

if TYPE_CHECKING:
    from retrieval.query.asking import Prompt
    from retrieval.query.llm_cache import KeptReply
    from retrieval.query.routing import Choice, Plan
    from retrieval.query.run import Run
    from retrieval.types import ModelCall

# A budget that has no room for the models that are left: as if that step had been reached.
NO_MODEL = "no_model"
NO_ROOM = "no_room"


@dataclass(slots=True)
class Attempts:
    """What came of the models that were asked. `reasons` are for people."""

    tried: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    reasons: list[str] = field(default_factory=list[str])
    error: ProviderError | None = None
    refusal: str = ""

    def note(self, choice: Choice, code: str, reason: str) -> None:
        self.tried.append((choice.model, code))
        self.reasons.append(f"{choice.model}: {reason}")


async def first_reply(
    run: Run, plan: Plan, prompt: Prompt, attempts: Attempts
) -> Reply | KeptReply | None:
    """None: no model answers, and `attempts` says why."""
    waiting = list(plan.choices)
    for choice in waiting:
        if kept := await llm_cache.look_up(run, choice, prompt):
            run.outcome.route = plan.decision(choice.model, tuple(attempts.tried), attempts.reasons)
            return kept
        if not breaker.admits(choice):
            _note_left_alone(choice, attempts)
        elif not await _has_room(run, choice, prompt, attempts):
            breaker.note_abandoned(choice)
            waiting += [cheaper for cheaper in plan.cheaper if cheaper not in waiting]
        elif reply := await _try(run, choice, prompt, attempts):
            run.outcome.route = plan.decision(choice.model, tuple(attempts.tried), attempts.reasons)
            return reply
    return None


async def _try(run: Run, choice: Choice, prompt: Prompt, attempts: Attempts) -> Reply | None:
    try:
        return await ask(choice, prompt)
    except ProviderError as error:
        attempts.error = error
        attempts.note(choice, error.code, _brief(error))
        if error.usage is not None:
            _pay(run, choice, error.usage)
        return None
    except BaseException:
        # Who has left may still be charged for what was sent.
        book(run, choice, prompt, None, "")
        raise


async def _has_room(run: Run, choice: Choice, prompt: Prompt, attempts: Attempts) -> bool:
    estimate = estimate_call(
        run.caller.tenant, choice, most_tokens(prompt.messages), prompt.max_tokens
    )
    if await run.purse.reserve(run.id, estimate):
        return True
    attempts.refusal = run.purse.refusal
    attempts.note(choice, NO_ROOM, f"budget: {run.purse.refusal}")
    return False


def book(run: Run, choice: Choice, prompt: Prompt, usage: Usage | None, text: str) -> Usage:
    """Puts the generation on the outcome's calls, counted by the endpoint or else estimated."""
    usage, outcome = usage or estimate_usage(prompt.messages, text), run.outcome
    outcome.usage = usage
    _pay(run, choice, usage)
    # What compression left out would have been read too.
    left_out = _priced(run, choice, Usage(outcome.saved_tokens))
    if left_out.cost_usd:
        outcome.saved["compression"] = left_out.cost_usd
    return usage


def _pay(run: Run, choice: Choice, usage: Usage) -> None:
    run.outcome.calls.append(_priced(run, choice, usage))


def _priced(run: Run, choice: Choice, usage: Usage) -> ModelCall:
    return price_call(run.caller.tenant, "generation", choice.endpoint.name, choice.model, usage)


def _note_left_alone(choice: Choice, attempts: Attempts) -> None:
    state = breaker.state(choice)
    code = state.last_code if state else "model_error"
    described = breaker.describe(choice)
    attempts.note(choice, code, described)
    attempts.error = attempts.error or ProviderError(
        f"The model {choice.model} has failed and is {described}: try again then, or let the "
        "router choose with the model auto.",
        code=code,
    )


def _brief(error: ProviderError) -> str:
    status = error.extra.get("upstream_status")
    return f"{error.code} {status}" if status else error.code

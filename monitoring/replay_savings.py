"""Of a replay: what cache, routing and compression saved, at the prices that are in force now."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from monitoring.repricing import known_cost, price_again
from retrieval.models import QueryTrace
from retrieval.providers import extractive
from retrieval.query.cached_answer import PAID_BEFORE_LOOKING
from retrieval.query.pricing import price_call
from retrieval.query.routing import largest
from retrieval.types import Usage

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence
    from uuid import UUID

    from monitoring.repricing import Call
    from tenants.config import TenantConfig

    Trace = dict[str, Any]

NOTHING = Decimal(0)
HITS = ("exact", "semantic")
# Why an amount stays as it is.
NO_REPLY_TOKENS, NO_VECTOR_TOKENS, NO_MAKER = "reply_tokens", "vector_tokens", "maker"


@dataclass(frozen=True, slots=True)
class Maker:
    """The answer that was kept: what it took, with the spans that say what it was spared."""

    calls: list[Call]
    spans: list[dict[str, Any]]
    saved: dict[str, str]


def makers_of(traces: Sequence[Trace]) -> dict[UUID, Maker]:
    """By what was kept. One query."""
    kept = {trace["cache_entry_id"] for trace in traces if trace["cache"] in HITS}
    rows = QueryTrace.objects.filter(cache_entry_id__in=kept).exclude(cache__in=HITS)
    found = rows.values_list("cache_entry_id", "calls", "spans", "saved")
    return {entry_id: Maker(calls, spans, saved) for entry_id, calls, spans, saved in found}


def saved_again(
    config: TenantConfig,
    trace: Trace,
    calls: Sequence[Call],
    makers: dict[UUID, Maker],
    left: Counter[str],
) -> dict[str, str]:
    """As the trace keeps it. What does not follow from prices stays, and is counted in `left`."""
    saved = {name: Decimal(amount) for name, amount in trace["saved"].items()}
    _by_the_model(config, trace, calls, saved)
    if trace["cache"] in HITS:
        _by_the_answer(config, trace, makers, saved, left)
    else:
        _by_replies(config, trace, saved, left)
    _by_the_vector(config, trace, saved, left)
    return {name: str(amount) for name, amount in saved.items()}


def _by_the_model(
    config: TenantConfig, trace: Trace, calls: Sequence[Call], saved: dict[str, Decimal]
) -> None:
    """Compression, and another model than the large one. Which was large then is not stored: today's."""
    place = _last_generation(calls)
    if place is None or trace["model"] == extractive.MODEL:
        return
    call, before = calls[place], trace["calls"][place]
    usage = Usage(call["input_tokens"], call["output_tokens"])
    if (shortened := _cost(config, call["model"], Usage(trace["saved_tokens"]))) is not None:
        _put(saved, "compression", shortened)
    top = largest(config)
    was_told = "routing" in saved or before["cost_usd"] is None
    if top is None or call["cost_usd"] is None or not was_told:
        return
    whole = _cost(config, top.model, usage)
    if whole is not None:
        _put(saved, "routing", max(whole - Decimal(call["cost_usd"]), NOTHING))


def _last_generation(calls: Sequence[Call]) -> int | None:
    places = [place for place, call in enumerate(calls) if call["kind"] == "generation"]
    return places[-1] if places else None


def _by_the_answer(
    config: TenantConfig,
    trace: Trace,
    makers: dict[UUID, Maker],
    saved: dict[str, Decimal],
    left: Counter[str],
) -> None:
    maker = makers.get(trace["cache_entry_id"])
    if maker is None:
        left[NO_MAKER] += 1
        return
    spared = _spared_by_replies(config, maker.spans)
    if spared is None and "cache" in maker.saved:
        left[NO_REPLY_TOKENS] += 1
        return
    paid = PAID_BEFORE_LOOKING if trace["cache"] == "semantic" else frozenset[str]()
    again = [price_again(config, call) for call in maker.calls if call["kind"] not in paid]
    saved["cache"] = known_cost(again) + (spared or NOTHING)


def _by_replies(
    config: TenantConfig, trace: Trace, saved: dict[str, Decimal], left: Counter[str]
) -> None:
    spared = _spared_by_replies(config, trace["spans"])
    if spared is not None:
        _put(saved, "cache", spared)
    elif "cache" in saved:
        left[NO_REPLY_TOKENS] += 1


def _spared_by_replies(config: TenantConfig, spans: Sequence[dict[str, Any]]) -> Decimal | None:
    """Of the model's own replies that were kept. None: of one it is not stored what it took."""
    hits = [span for span in spans if span.get("what") == "llm" and span.get("hit")]
    if not all("input_tokens" in span for span in hits):
        return None
    costs = [
        _cost(config, span["model"], Usage(span["input_tokens"], span["output_tokens"]))
        for span in hits
    ]
    return sum((cost or NOTHING for cost in costs), NOTHING)


def _by_the_vector(
    config: TenantConfig, trace: Trace, saved: dict[str, Decimal], left: Counter[str]
) -> None:
    """The question's: it is embedded before anything else is."""
    span = next((each for each in trace["spans"] if each["kind"] == "embed"), None)
    if span and "spared_tokens" in span:
        cost = _cost(config, span["model"], Usage(span["spared_tokens"]))
        if cost is not None:
            _put(saved, "embedding", cost)
    elif "embedding" in saved:
        left[NO_VECTOR_TOKENS] += 1


def _cost(config: TenantConfig, model: str, usage: Usage) -> Decimal | None:
    return price_call(config, "generation", "", model, usage).cost_usd


def _put(saved: dict[str, Decimal], name: str, amount: Decimal) -> None:
    """Nothing is not written down, unless there was something."""
    if amount or name in saved:
        saved[name] = amount

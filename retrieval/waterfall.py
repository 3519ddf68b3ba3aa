"""The spans of a trace as bars on a common scale, each with what was paid in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retrieval.cost_words import span_costs

if TYPE_CHECKING:
    from retrieval.models import QueryTrace

# Not told beside a bar: what the bar shows, and the key under which a reply was kept.
_UNTOLD = {"kind", "what", "start_ms", "duration_ms", "request"}


def waterfall(trace: QueryTrace) -> list[dict[str, Any]]:
    """On a scale of 0 to 100, each at least half a unit wide so that it can be seen. What calls of one
    kind cost stands with the last span of that kind."""
    spans = sorted(trace.spans, key=lambda span: span["start_ms"])
    ends = [span["start_ms"] + span["duration_ms"] for span in spans]
    whole = max([trace.duration_ms or 0.0, *ends], default=0.0) or 1.0
    paid = {(span["kind"], span.get("what", "")): n for n, span in enumerate(spans)}
    costs = {paid[key]: cost for key, cost in span_costs(trace).items() if key in paid}
    return [_bar(span, whole, n in costs, costs.get(n)) for n, span in enumerate(spans)]


def _bar(span: dict[str, Any], whole: float, is_priced: bool, cost: Any) -> dict[str, Any]:
    return {
        "kind": span["kind"],
        "label": f"{span['kind']} {span.get('what', '').replace('_', ' ')}".strip(),
        "start": min(100 * span["start_ms"] / whole, 99.5),
        "width": max(100 * span["duration_ms"] / whole, 0.5),
        "start_ms": span["start_ms"],
        "duration_ms": span["duration_ms"],
        "is_priced": is_priced,
        "cost_usd": cost,
        "details": [
            (name.replace("_", " "), _plain(value))
            for name, value in span.items()
            if name not in _UNTOLD
        ],
    }


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)

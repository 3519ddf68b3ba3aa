"""Two settings side by side on one question: both answers, and in what they differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from ragadmin.errors import NotFound
from retrieval.knobs import ANSWERS, FIRST, RETRIEVAL, KnobForm
from retrieval.query.routing import available_models
from retrieval.trace_view import TraceView, view_traces
from retrieval.views.playground import has_ready_document, read_uuid
from retrieval.views.traces import find_trace
from tenants.access import TenantHttpRequest, tenant_config, tenant_page

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.http import HttpResponse

    from tenants.config import TenantConfig

SIDES = ("left", "right")


@dataclass(frozen=True, slots=True)
class Side:
    name: str
    form: KnobForm
    model: str
    uses_cache: bool


@require_safe
@ensure_csrf_cookie
@tenant_page("admin")
def show_compare(request: TenantHttpRequest, slug: str) -> HttpResponse:
    """Nothing is asked until somebody presses the button: answers cost money."""
    config = tenant_config(request.tenant)
    context = {
        "sides": [_side(name, config, request.GET) for name in SIDES],
        "models": ["auto", *available_models(config)],
        "first": FIRST,
        "question": request.GET.get("q", "")[:8000],
        "has_documents": has_ready_document(request),
    }
    return render(request, "retrieval/compare.html", context)


def _side(name: str, config: TenantConfig, address: Mapping[str, str]) -> Side:
    groups = {"": FIRST, "More": [each for each in _all_names() if each not in FIRST]}
    form = KnobForm(config=config, groups=groups, address=address, prefix=name)
    model = address.get(f"{name}-model", "auto")
    return Side(name, form, model, address.get(f"{name}-use_cache") == "on")


def _all_names() -> list[str]:
    return [name for names in (RETRIEVAL | ANSWERS).values() for name in names]


@require_safe
@tenant_page("admin")
def show_differences(request: TenantHttpRequest, slug: str) -> HttpResponse:
    """Of the two answers that were just recorded, named by `left` and `right`."""
    ids = [read_uuid(request.GET.get(side, "")) for side in SIDES]
    if None in ids:
        raise NotFound("Name the two answers that are to be compared.")
    traces = [find_trace(request, trace_id) for trace_id in ids if trace_id]
    left, right = view_traces(traces, request.access_levels)
    found = passages(left, right)
    context = {"rows": figures(left, right), "passages": found, "counts": count_sides(found)}
    return render(request, "retrieval/_compare_result.html", context)


def figures(left: TraceView, right: TraceView) -> list[dict[str, Any]]:
    """`kind` names how the values are shown; `better` is the side that costs less."""
    one, other = left.trace, right.trace
    return [
        _row("Model", "text", one.model, other.model),
        _figure("Cost", "usd", one.total_cost_usd, other.total_cost_usd, is_cost=True),
        _figure("Time in all", "duration", one.duration_ms, other.duration_ms, is_cost=True),
        _figure("First token", "duration", one.first_token_ms, other.first_token_ms, is_cost=True),
        _figure("Tokens in", "number", one.input_tokens, other.input_tokens, is_cost=True),
        _figure("Tokens out", "number", one.output_tokens, other.output_tokens),
        _figure("Tokens saved", "number", one.saved_tokens, other.saved_tokens),
        _figure("Passages", "number", len(left.hits), len(right.hits)),
    ]


def _row(label: str, kind: str, left: Any, right: Any, **more: str) -> dict[str, Any]:
    return {"label": label, "kind": kind, "left": left, "right": right, **more}


def _figure(
    label: str, kind: str, left: Any, right: Any, *, is_cost: bool = False
) -> dict[str, Any]:
    if left is None or right is None or left == right:
        return _row(label, kind, left, right)
    better = ("left" if left < right else "right") if is_cost else ""
    difference = f"{(right - left) / left * 100:+.0f} %" if left else ""
    return _row(label, kind, left, right, better=better, difference=difference)


def passages(left: TraceView, right: TraceView) -> list[dict[str, Any]]:
    """Every passage once, by its better place, with its rank on either side."""
    ranks = [{hit["chunk_id"]: hit["rank"] for hit in side.hits} for side in (left, right)]
    known = {hit["chunk_id"]: hit for side in (left, right) for hit in side.hits}
    openable = left.openable | right.openable
    rows = [
        {
            **hit,
            "left": ranks[0].get(key),
            "right": ranks[1].get(key),
            "opens": hit["document_id"] in openable,
        }
        for key, hit in known.items()
    ]
    return sorted(rows, key=_best_rank)


def count_sides(rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    return {
        "both": sum(1 for row in rows if row["left"] and row["right"]),
        "left": sum(1 for row in rows if not row["right"]),
        "right": sum(1 for row in rows if not row["left"]),
    }


def _best_rank(row: dict[str, Any]) -> tuple[int, int]:
    found: Sequence[int] = [rank for rank in (row["left"], row["right"]) if rank]
    return min(found), -len(found)

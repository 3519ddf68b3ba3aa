"""Answers as OpenTelemetry traces, named by the semantic conventions for generative AI
(opentelemetry.io/docs/specs/semconv/gen-ai, as of release 1.38).

Loaded only where OTEL_EXPORTER_OTLP_ENDPOINT is set. Spans carry numbers and names: no question, no
answer, no passage leaves the database this way. The exporter batches in a thread of its own, so an
answer never waits for a collector, and a collector that is away costs nothing but its traces.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

from retrieval import events

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.trace import Tracer

    from retrieval.query.run import Run
    from retrieval.types import ModelCall, Span

NAME = "ragadmin"
# The stages that are calls of a model, and what the conventions call them.
OPERATIONS = {"generate": "chat", "embed": "embeddings", "search": "retrieval"}
CALLED_BY = {"generate": "generation", "embed": "embedding"}
# Attributes of stages that are words, none of them a customer's.
NAMES = frozenset({"model", "what", "skipped"})
MS = 1_000_000  # nanoseconds


class Telemetry:
    """One process's way to a collector."""

    def __init__(self, endpoint: str) -> None:
        resource = Resource.create({SERVICE_NAME: NAME})
        self._provider = TracerProvider(resource=resource)
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer: Tracer = self._provider.get_tracer(NAME)

    def tell(self, run: Run) -> None:
        """Of a run that has ended. Returns at once."""
        began = time.time_ns() - round(run.clock.now() * MS)
        root = self._tracer.start_span(
            "answer", kind=SpanKind.SERVER, start_time=began, attributes=dict(_of_answer(run))
        )
        if run.outcome.error_code:
            root.set_status(Status(StatusCode.ERROR, run.outcome.error_code))
        parent = trace.set_span_in_context(root)
        for span in run.outcome.spans:
            attributes = dict(_of_stage(run, span))
            start = began + round(span.start_ms * MS)
            child = self._tracer.start_span(
                _name(span, attributes),
                context=parent,
                kind=SpanKind.CLIENT if span.kind in OPERATIONS else SpanKind.INTERNAL,
                start_time=start,
                attributes=attributes,
            )
            child.end(start + round(span.duration_ms * MS))
        root.end(began + round(run.outcome.duration_ms * MS))

    def close(self) -> None:
        """Sends what waits."""
        self._provider.shutdown()


def listen(endpoint: str) -> Telemetry:
    """From now on every answer of this process is told. The provider flushes when Python ends."""
    telemetry = Telemetry(endpoint)
    events.answer_listeners.append(telemetry.tell)
    return telemetry


def _name(span: Span, attributes: dict[str, Any]) -> str:
    operation = OPERATIONS.get(span.kind)
    if operation is None:
        return span.kind
    model = attributes.get("gen_ai.request.model", "")
    return f"{operation} {model}".strip()


def _of_answer(run: Run) -> Iterator[tuple[str, Any]]:
    outcome = run.outcome
    yield "ragadmin.tenant", run.caller.tenant.slug
    yield "ragadmin.answer.id", run.id
    yield "ragadmin.answer.status", outcome.status
    yield "ragadmin.cache", outcome.cache
    yield "ragadmin.abstained", outcome.abstained
    yield "ragadmin.passages", len(outcome.hits)
    yield "ragadmin.simulated", run.caller.is_simulated
    if run.conversation_id:
        yield "gen_ai.conversation.id", run.conversation_id
    if outcome.similarity["avg"] is not None:
        yield "ragadmin.similarity.avg", outcome.similarity["avg"]
    if outcome.cost.total is not None:
        yield "ragadmin.cost_usd", float(outcome.cost.total)
    yield "ragadmin.saved_usd", float(outcome.saved_usd)
    if run.degraded:
        yield "ragadmin.degraded", run.degraded
    if outcome.error_code:
        yield "error.type", outcome.error_code


def _of_stage(run: Run, span: Span) -> Iterator[tuple[str, Any]]:
    for name, value in span.attributes.items():
        if isinstance(value, bool | int | float) or name in NAMES:
            yield f"ragadmin.{span.kind}.{name}", value
    operation = OPERATIONS.get(span.kind)
    if operation is None:
        return
    yield "gen_ai.operation.name", operation
    call = _call_of(run, span)
    if call is None and "model" in span.attributes:
        yield "gen_ai.request.model", span.attributes["model"]
    if call is not None:
        yield "gen_ai.request.model", call.model
        yield "gen_ai.provider.name", call.provider or "openai"
        yield "gen_ai.usage.input_tokens", call.usage.input_tokens
        if operation == "chat":
            yield "gen_ai.usage.output_tokens", call.usage.output_tokens
        if call.cost_usd is not None:
            yield "ragadmin.cost_usd", float(call.cost_usd)
    if operation == "chat":
        yield from _of_chat(run, span)


def _of_chat(run: Run, span: Span) -> Iterator[tuple[str, Any]]:
    outcome = run.outcome
    yield "gen_ai.response.finish_reasons", [outcome.finish_reason]
    yield "gen_ai.output.type", "text"
    if outcome.first_token_ms is not None:
        waited = max(0.0, outcome.first_token_ms - span.start_ms)
        yield "gen_ai.response.time_to_first_chunk", waited / 1000


def _call_of(run: Run, span: Span) -> ModelCall | None:
    kind = CALLED_BY.get(span.kind)
    return next((call for call in run.outcome.calls if call.kind == kind), None)

"""Answers as OpenTelemetry traces, named by the semantic conventions for generative AI
(opentelemetry.io/docs/specs/semconv/gen-ai, as of release 1.41).

Loaded only where OTEL_EXPORTER_OTLP_ENDPOINT is set. Spans carry numbers and names: no question, no
answer, no passage leaves the database this way. The exporter batches in a thread of its own, so an
answer never waits for a collector, and a collector that is away costs nothing but its traces.
"""

from __future__ import annotations

import atexit
import logging
import time
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
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
# Stages that ask a model: the call they make, and what the conventions call it.
CALLS = {
    "generate": ("generation", "chat"),
    "rewrite": ("rewrite", "chat"),
    "multi_query": ("multi_query", "chat"),
    "embed": ("embedding", "embeddings"),
}
RETRIEVAL = "retrieval"
# Attributes of stages that are words, none of them a customer's.
NAMES = frozenset({"model", "what", "skipped"})
MS = 1_000_000  # nanoseconds
# Whoever stops the process does not wait longer for a collector that hangs.
FAREWELL_MS = 2_000
# Of each batch one line that it was lost, and none for each attempt.
EXPORTER_LOG = "opentelemetry.exporter"


class _Batches(BatchSpanProcessor):
    def shutdown(self) -> None:
        """The one that is overridden would wait for half a minute."""
        self._batch_processor.shutdown(FAREWELL_MS)


class Telemetry:
    """One process's way to a collector."""

    def __init__(self, endpoint: str) -> None:
        logging.getLogger(EXPORTER_LOG).setLevel(logging.ERROR)
        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        self._provider.add_span_processor(_Batches(exporter))
        self._tracer: Tracer = self._provider.get_tracer(NAME)
        atexit.register(self.close)

    def tell(self, run: Run) -> None:
        """Of a run that has ended. Returns at once."""
        began = time.time_ns() - round(run.clock.now() * MS)
        root = self._tracer.start_span(
            "answer", kind=SpanKind.SERVER, start_time=began, attributes=dict(_of_answer(run))
        )
        if run.outcome.error_code:
            root.set_status(Status(StatusCode.ERROR, run.outcome.error_code))
        parent = trace.set_span_in_context(root)
        calls = _calls_of(run)
        for place, span in enumerate(run.outcome.spans):
            attributes = dict(_of_stage(run, span, calls.get(place)))
            start = began + round(span.start_ms * MS)
            asks = "gen_ai.operation.name" in attributes
            child = self._tracer.start_span(
                _name(span, attributes),
                context=parent,
                kind=SpanKind.CLIENT if asks else SpanKind.INTERNAL,
                start_time=start,
                attributes=attributes,
            )
            child.end(start + round(span.duration_ms * MS))
        root.end(began + round(run.outcome.duration_ms * MS))

    def close(self) -> None:
        """Sends what waits, as far as the collector takes it at once."""
        atexit.unregister(self.close)
        self._provider.shutdown()


def listen(endpoint: str) -> Telemetry:
    """From now on every answer of this process is told; what waits is sent when Python ends."""
    telemetry = Telemetry(endpoint)
    events.answer_listeners.append(telemetry.tell)
    return telemetry


def _resource() -> Resource:
    """OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES may name it otherwise."""
    return Resource.create({SERVICE_NAME: NAME, **OTELResourceDetector().detect().attributes})


def _name(span: Span, attributes: dict[str, Any]) -> str:
    operation = attributes.get("gen_ai.operation.name")
    if operation is None:
        return span.kind
    return f"{operation} {attributes.get('gen_ai.request.model', '')}".strip()


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


def _of_stage(run: Run, span: Span, call: ModelCall | None) -> Iterator[tuple[str, Any]]:
    for name, value in span.attributes.items():
        if isinstance(value, bool | int | float) or name in NAMES:
            yield f"ragadmin.{span.kind}.{name}", value
    if span.kind == "search":
        yield "gen_ai.operation.name", RETRIEVAL
    elif call is not None:
        _, operation = CALLS[_stage(span)]
        yield "gen_ai.operation.name", operation
        yield "gen_ai.provider.name", call.provider or "openai"
        yield "gen_ai.request.model", call.model
        yield "gen_ai.usage.input_tokens", call.usage.input_tokens
        if operation == "chat":
            yield "gen_ai.usage.output_tokens", call.usage.output_tokens
        if call.cost_usd is not None:
            yield "ragadmin.cost_usd", float(call.cost_usd)
    elif _asks_embedder(span):
        provider, _, model = str(span.attributes["model"]).partition(":")
        yield "gen_ai.operation.name", "embeddings"
        yield "gen_ai.provider.name", provider
        yield "gen_ai.request.model", model
    if span.kind == "generate" and call is not None:
        yield from _of_generation(run, span)


def _of_generation(run: Run, span: Span) -> Iterator[tuple[str, Any]]:
    outcome = run.outcome
    yield "gen_ai.request.stream", True
    yield "gen_ai.output.type", "text"
    if outcome.error_code:
        yield "error.type", outcome.error_code
    else:
        yield "gen_ai.response.finish_reasons", [outcome.finish_reason]
    if outcome.first_token_ms is not None:
        waited = max(0.0, outcome.first_token_ms - span.start_ms)
        yield "gen_ai.response.time_to_first_chunk", waited / 1000


def _calls_of(run: Run) -> dict[int, ModelCall]:
    """The call of each stage that made one, by the stage's place. A reply that was kept, and a passage
    that is quoted, is no call; embedding here is one only where it has a price."""
    found: dict[int, ModelCall] = {}
    for stage, (kind, _) in CALLS.items():
        calls = [call for call in run.outcome.calls if call.kind == kind]
        places = [
            place
            for place, span in enumerate(run.outcome.spans)
            if _stage(span) == stage and (stage != "embed" or _asks_embedder(span))
        ]
        # With as many stages it is clear which is whose.
        if len(calls) == len(places):
            found.update(zip(places, calls, strict=True))
    return found


def _stage(span: Span) -> str:
    return str(span.attributes.get("what", span.kind))


def _asks_embedder(span: Span) -> bool:
    return span.kind == "embed" and span.attributes.get("cached") is False

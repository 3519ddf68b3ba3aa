"""Answers told to a real OTLP receiver over HTTP."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as conventions

from monitoring import telemetry as telemetry_module
from monitoring.telemetry import listen
from retrieval import events
from tests.retrieval.query.asking import answered
from tests.retrieval.query.conftest import (  # noqa: F401 - fixtures
    asker,
    caller,
    corpus,
    loop_resources,
    mock_url,
)

OFF = """
import django, sys
django.setup()
assert not {"monitoring.telemetry", "opentelemetry.exporter", "opentelemetry.sdk.trace"} & set(sys.modules)
from retrieval import events
assert not events.answer_listeners
"""


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.received.append((self.path, ExportTraceServiceRequest.FromString(body)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format, *args):
        pass


@pytest.fixture
def collector():
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    server.received = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def telemetry(collector):
    telemetry = listen(f"http://127.0.0.1:{collector.server_port}")
    yield telemetry
    events.answer_listeners.remove(telemetry.tell)
    telemetry.close()


async def test_an_answer_arrives_as_a_trace_with_the_words_of_the_conventions(
    telemetry,
    collector,
    asker,  # noqa: F811
):
    body = await answered(asker)
    await asyncio.to_thread(telemetry.close)
    spans = {span.name: span for span in _spans(collector)}
    root, chat = spans["answer"], spans["chat mock-0-12-0"]
    assert _attributes(root)["ragadmin.answer.id"] == body["id"]
    assert chat.parent_span_id == root.span_id
    told = _attributes(chat)
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.request.model"] == "mock-0-12-0"
    assert told["gen_ai.usage.input_tokens"] == body["usage"]["input_tokens"]
    assert told["gen_ai.usage.output_tokens"] == body["usage"]["output_tokens"]
    assert told["ragadmin.cost_usd"] == pytest.approx(body["cost_usd"]["generation"])
    assert root.start_time_unix_nano <= chat.start_time_unix_nano
    assert chat.end_time_unix_nano <= root.end_time_unix_nano + 1_000_000
    assert any(name.startswith("embeddings") for name in spans)


async def test_no_word_of_a_customer_is_told(telemetry, collector, asker):  # noqa: F811
    body = await answered(asker, "Where is the xylophone of the password vault?")
    await asyncio.to_thread(telemetry.close)
    told = str([request for _, request in collector.received])
    assert "xylophone" not in told
    assert body["answer"][:20] not in told
    assert all(citation["path"] not in told for citation in body["citations"])


async def test_every_word_is_one_of_the_conventions(telemetry, collector, asker):  # noqa: F811
    await answered(asker)
    await answered(asker, "What colour is the moon on Tuesdays?")
    await asyncio.to_thread(telemetry.close)
    known = {value for name, value in vars(conventions).items() if name.startswith("GEN_AI_")}
    told = [_attributes(span) for span in _spans(collector)]
    assert {name for each in told for name in each if name.startswith("gen_ai.")} <= known
    for each in told:
        operation = each.get("gen_ai.operation.name", "retrieval")
        assert operation in {value.value for value in conventions.GenAiOperationNameValues}
        assert operation == "retrieval" or each["gen_ai.provider.name"] in {"mock", "local"}
    chats = [each for each in told if each.get("gen_ai.operation.name") == "chat"]
    assert len(chats) == 1, "a model is told of where it was asked, and the moon is in no document"


def test_the_usual_variables_name_the_service_otherwise(monkeypatch):
    assert telemetry_module._resource().attributes["service.name"] == "ragadmin"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "answers")
    assert telemetry_module._resource().attributes["service.name"] == "answers"


async def test_a_listener_that_fails_takes_the_answer_from_nobody(asker):  # noqa: F811
    def fail(run):
        raise ZeroDivisionError

    heard = []
    events.answer_listeners[:0] = [fail, heard.append]
    try:
        bodies = [await answered(asker), await answered(asker)]
    finally:
        del events.answer_listeners[:2]
    assert [body["cache"] for body in bodies] == ["none", "exact"]
    assert [run.id for run in heard] == [body["id"] for body in bodies]


def test_without_an_endpoint_nothing_of_it_is_loaded():
    run = subprocess.run(
        [sys.executable, "-c", OFF],
        env={"DJANGO_SETTINGS_MODULE": "ragadmin.settings.test", "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr


def _spans(collector):
    return [
        span
        for path, request in collector.received
        if path == "/v1/traces"
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _attributes(span):
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes
    }

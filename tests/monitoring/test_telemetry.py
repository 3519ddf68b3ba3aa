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

"""Providers of models on the loopback address: they give one prepared answer."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from unittest.mock import patch


@contextmanager
def answering(body: object) -> Iterator[str]:
    """Give every POST the same JSON answer; yields the server's URL."""
    data = json.dumps(body).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Telemetry(NamedTuple):
    """What an instrumentation wrote, as OTLP JSON."""

    traces: dict[str, Any]
    logs: dict[str, Any]


def instrumented_openai(call: Callable[[Any], object], answer: object) -> Telemetry:
    """Let a function use an instrumented client of OpenAI, whose provider gives one answer.

    Messages are in the attributes of the spans and of the events.
    """
    from openai import OpenAI
    from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    # Its constructor has no types.
    log_exporter: Any = InMemoryLogRecordExporter
    spans, logs = InMemorySpanExporter(), log_exporter()
    tracing, logging = TracerProvider(), LoggerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(spans))
    logging.add_log_record_processor(SimpleLogRecordProcessor(logs))
    instrumentor = OpenAIInstrumentor()
    environment = {
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_and_event",
        "OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT": "true",
    }
    with patch.dict(os.environ, environment), answering(answer) as url:
        instrumentor.instrument(tracer_provider=tracing, logger_provider=logging)
        try:
            call(OpenAI(base_url=url, api_key="none", max_retries=0))
        finally:
            instrumentor.uninstrument()
    return Telemetry(
        otlp_json(encode_spans(spans.get_finished_spans())),
        otlp_json(encode_logs(logs.get_finished_logs())),
    )


def otlp_json(message: Any) -> dict[str, Any]:
    """Write an OTLP message as OTLP writes JSON: enums as numbers, ids in hexadecimal."""
    from google.protobuf import json_format

    written = json_format.MessageToDict(message, use_integers_for_enums=True)
    return dict(_with_hexadecimal_ids(written))


def _with_hexadecimal_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_hexadecimal_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64decode(item).hex()
        if key in ("traceId", "spanId", "parentSpanId")
        else _with_hexadecimal_ids(item)
        for key, item in value.items()
    }

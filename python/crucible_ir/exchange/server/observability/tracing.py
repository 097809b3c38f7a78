"""Traces for OpenTelemetry: a span for each call, as a child of the client's span."""

from __future__ import annotations

from typing import Any, Final

import grpc

from crucible_ir.exchange.server.observability.observing import Observer
from crucible_ir.exchange.server.rpc.call_context import CallInfo
from crucible_ir.extras import optional_module

#: The codes of server errors, by OpenTelemetry's semantic conventions for gRPC servers.
_SERVER_ERRORS: Final = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)

#: OpenTelemetry's names of the protocols.
_SYSTEMS: Final = {"": "grpc", "connect": "connect_rpc"}


class Tracing(Observer):
    """Creates a span for each call that began, with the tracer that the process has configured.

    Args:
        provider: Receives the spans; by default OpenTelemetry's global provider, which
            ``opentelemetry-instrument`` or the program configures.

    Raises:
        MissingExtraError: The extra ``tracing`` is not installed.
    """

    def __init__(self, provider: Any = None) -> None:
        self._trace = optional_module("opentelemetry.trace", "tracing")
        self._context = optional_module("opentelemetry.context", "tracing")
        self._propagate = optional_module("opentelemetry.propagate", "tracing")
        self._tracer = self._trace.get_tracer("crucible_ir.exchange", tracer_provider=provider)
        self._spans: dict[int, Any] = {}

    def begin(self, call: CallInfo) -> None:
        """Begin the span of a call, and make it the current one of the call's task."""
        carrier = {key: value for key, value in call.metadata if isinstance(value, str)}
        service, _, method = call.method.lstrip("/").partition("/")
        span = self._tracer.start_span(
            f"{service}/{method}",
            context=self._propagate.extract(carrier),
            kind=self._trace.SpanKind.SERVER,
            attributes={
                "rpc.system": _SYSTEMS.get(call.protocol, call.protocol),
                "rpc.service": service,
                "rpc.method": method,
                "crucible_ir.request_id": call.request_id,
            },
        )
        # The context ends with the task, and the task with the call: nothing must be detached.
        self._context.attach(self._trace.set_span_in_context(span))
        self._spans[id(call)] = span

    def end(self, call: CallInfo) -> None:
        """End the span of a call."""
        span = self._spans.pop(id(call))
        if not call.protocol:
            span.set_attribute("rpc.grpc.status_code", call.code.value[0])
        elif call.code is not grpc.StatusCode.OK:
            span.set_attribute("rpc.connect_rpc.error_code", call.code.name.lower())
        if call.code in _SERVER_ERRORS:
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, call.code.name))
        span.end()

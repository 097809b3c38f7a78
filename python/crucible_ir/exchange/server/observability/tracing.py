"""Traces for OpenTelemetry: a span for each call, within that of the client if it says so."""

from __future__ import annotations

from typing import Any, Final

import grpc

from crucible_ir.exchange.server.rpc.call_context import CallInfo
from crucible_ir.extras import optional_module

#: The codes that are the server's fault, by OpenTelemetry's semantic conventions for gRPC servers.
_FAULTS: Final = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)


class Tracing:
    """Makes a span for each call, with the tracer that the process is set up with.

    Args:
        provider: Where the spans go; by default OpenTelemetry's global provider, which
            ``opentelemetry-instrument`` or the program sets up.

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
                "rpc.system": "grpc",
                "rpc.service": service,
                "rpc.method": method,
                "crucible_ir.request_id": call.request_id,
            },
        )
        # The task ends with the call, and its context with it: there is nothing to detach.
        self._context.attach(self._trace.set_span_in_context(span))
        self._spans[id(call)] = span

    def end(self, call: CallInfo) -> None:
        """End the span of a call."""
        span = self._spans.pop(id(call))
        span.set_attribute("rpc.grpc.status_code", call.code.value[0])
        if call.code in _FAULTS:
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, call.code.name))
        span.end()

    def lost(self, call: CallInfo) -> None:
        """A call that did not begin has no span."""

    def unknown(self, method: str) -> None:
        """A method that does not exist has no span."""

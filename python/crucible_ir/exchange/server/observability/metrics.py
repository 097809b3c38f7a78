"""Metrics for Prometheus: calls by method and code, their durations, and measures of the server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import grpc

from crucible_ir.errors import Error
from crucible_ir.exchange.server.observability.measures import Measure
from crucible_ir.exchange.server.observability.observing import Observer
from crucible_ir.exchange.server.rpc.call_context import CallInfo
from crucible_ir.extras import optional_module

#: The beginning of the names of all metrics.
_PREFIX: Final = "crucible_ir_exchange_"

#: The upper bounds of the histogram of durations, in seconds.
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)

#: The name of the label with the protocol. It is empty for gRPC: Prometheus takes a label without a
#: value for a missing one, so that the series are the same as before there were other protocols.
_PROTOCOL: Final = "protocol"

#: The label for methods that do not exist: callers can invent any number of names.
_UNKNOWN: Final = "unknown"


class MetricsError(Error):
    """The metrics cannot be served."""


class Metrics(Observer):
    """Counts calls.

    Raises:
        MissingExtraError: The extra ``metrics`` is not installed.
    """

    def __init__(self) -> None:
        self._prometheus = prometheus = optional_module("prometheus_client", "metrics")
        self.registry = prometheus.CollectorRegistry()
        self._served: Any = None
        self._calls = prometheus.Counter(
            f"{_PREFIX}calls",
            "Calls that ended.",
            ["method", "code", _PROTOCOL],
            registry=self.registry,
        )
        self._seconds = prometheus.Histogram(
            f"{_PREFIX}call_seconds",
            "Duration of calls, streams included.",
            ["method", _PROTOCOL],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._in_progress = prometheus.Gauge(
            f"{_PREFIX}calls_in_progress",
            "Calls in progress.",
            ["method", _PROTOCOL],
            registry=self.registry,
        )
        self._not_begun = prometheus.Counter(
            f"{_PREFIX}calls_not_begun",
            "Calls that gRPC rejected, or whose client gave up, before the request arrived.",
            ["method", _PROTOCOL],
            registry=self.registry,
        )
        prometheus.ProcessCollector(registry=self.registry)

    def begin(self, call: CallInfo) -> None:
        """Count the start of a call."""
        self._in_progress.labels(call.method, call.protocol).inc()

    def end(self, call: CallInfo) -> None:
        """Count the end of a call."""
        self._in_progress.labels(call.method, call.protocol).dec()
        self._calls.labels(call.method, call.code.name, call.protocol).inc()
        self._seconds.labels(call.method, call.protocol).observe(call.seconds)

    def not_begun(self, call: CallInfo) -> None:
        """Count a call that gRPC ended before it began."""
        self._not_begun.labels(call.method, call.protocol).inc()

    def unknown_method(self, method: str, protocol: str) -> None:
        """Count a call to a method that does not exist."""
        self._calls.labels(_UNKNOWN, grpc.StatusCode.UNIMPLEMENTED.name, protocol).inc()

    def add(self, measures: Iterable[Measure]) -> None:
        """Show measures, which are read whenever somebody asks for the metrics."""
        self.registry.register(_MeasureCollector(list(measures)))

    def serve(self, host: str, port: int) -> int:
        """Serve the metrics over HTTP, and return the port.

        Raises:
            MetricsError: The server cannot listen on the address.
        """
        try:
            self._served = self._prometheus.start_http_server(port, host, self.registry)
        except OSError as error:
            raise MetricsError(
                f"cannot serve metrics on {host}:{port}: {error.strerror or error}"
            ) from None
        bound: int = self._served[0].server_port
        return bound

    def close(self) -> None:
        """Stop serving."""
        if self._served is not None:
            server, thread = self._served
            server.shutdown()
            server.server_close()
            thread.join()
            self._served = None


class _MeasureCollector:
    """Reads measures for a registry."""

    def __init__(self, measures: list[Measure]) -> None:
        self._measures = measures
        core = optional_module("prometheus_client.core", "metrics")
        self._families = {"gauge": core.GaugeMetricFamily, "counter": core.CounterMetricFamily}

    def collect(self) -> Iterator[Any]:
        """Yield the values that are known."""
        for measure in self._measures:
            value = measure.read()
            if value is not None:
                family = self._families[measure.kind]
                yield family(f"{_PREFIX}{measure.name}", measure.summary, value=value)

    def describe(self) -> list[Any]:
        """Return nothing: otherwise the registry would read the values once at the start."""
        return []

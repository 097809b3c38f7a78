"""Traces of HTTP calls, health, and connections whose clients stop reading."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from web.api.connect_client import EXCHANGE, post, publish
from web.http_servers import LOOPBACK, TIMEOUT, http_exchange

from crucible_ir.exchange.server.options import Keepalive, ServerOptions
from crucible_ir.web.connections import LimitedConnection
from crucible_ir.web.serving import web_application


def test_spans_have_the_names_of_the_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    options = ServerOptions(address=LOOPBACK, tracing=True)
    with (
        http_exchange(tmp_path, options) as running,
        httpx.Client(base_url=running.url, timeout=TIMEOUT) as client,
    ):
        request = {"type": "ModelRef", "id": "m"}
        post(client, f"{EXCHANGE}/Get", request, traceparent=parent, x_request_id="mine")
        publish(client, "m")
    get, published = exporter.get_finished_spans()
    assert get.name == "crucible_ir.exchange.v1.ExchangeService/Get"
    assert get.parent is not None
    assert f"{get.parent.trace_id:032x}" == parent[3:35]
    assert dict(get.attributes or {}) == {
        "rpc.system": "connect_rpc",
        "rpc.service": "crucible_ir.exchange.v1.ExchangeService",
        "rpc.method": "Get",
        "rpc.connect_rpc.error_code": "not_found",
        "crucible_ir.request_id": "mine",
    }
    assert "rpc.connect_rpc.error_code" not in (published.attributes or {})


@pytest.mark.parametrize("is_ready", [True, False])
def test_readiness_is_a_status(is_ready: bool) -> None:
    async def statuses() -> list[int]:
        transport = httpx.ASGITransport(web_application([], is_ready=lambda: is_ready))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return [(await client.get(path)).status_code for path in ("/healthz", "/readyz")]

    assert asyncio.run(statuses()) == [200, 200 if is_ready else 503]


def test_a_client_that_does_not_read_its_response_is_disconnected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LimitedConnection, "write_seconds", 0.5)
    options = ServerOptions(address=LOOPBACK, keepalive=Keepalive(idle_seconds=1))
    body = b'{"type": "ModelRef", "includeDocuments": true}'
    with http_exchange(tmp_path, options) as running:
        with httpx.Client(base_url=running.url, timeout=TIMEOUT) as client:
            for number in range(10):
                publish(client, f"m{number}", metadata={"text": "x" * 900_000})
        address = urlsplit(running.url)
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(TIMEOUT)
            connection.connect((address.hostname, address.port))
            head = f"POST {EXCHANGE}/List HTTP/1.1\r\nhost: localhost\r\n"
            head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
            time.sleep(2.5)
            size = 0
            try:
                while chunk := connection.recv(65536):
                    size += len(chunk)
            except ConnectionResetError:
                pass
        assert size < 9_000_000


def test_an_idle_connection_is_closed(tmp_path: Path) -> None:
    options = ServerOptions(address=LOOPBACK, keepalive=Keepalive(idle_seconds=1))
    with http_exchange(tmp_path, options) as running:
        address = urlsplit(running.url)
        with socket.create_connection((address.hostname, address.port), TIMEOUT) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            # The headers and the body may arrive apart.
            answer = b""
            while not answer.endswith(b"ok\n"):
                chunk = connection.recv(4096)
                assert chunk, answer
                answer += chunk
            assert answer.startswith(b"HTTP/1.1 200")
            begun = time.monotonic()
            assert connection.recv(4096) == b""
            assert 0.5 < time.monotonic() - begun < 10

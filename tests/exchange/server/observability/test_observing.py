"""Logs, metrics and traces of calls: ids, status codes and callers, never message contents."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from exchange.servers import (
    GET,
    LOOPBACK,
    bearer,
    channel_to,
    failure,
    model,
    run,
    serving,
    standing_in,
    stub_on,
)

from crucible_ir.exchange import v1
from crucible_ir.exchange.server.observability.logs import CallLog, log_to
from crucible_ir.exchange.server.observability.metrics import Metrics, MetricsError
from crucible_ir.exchange.server.options import ServerOptions
from crucible_ir.exchange.server.rpc.call_context import CallInfo
from crucible_ir.exchange.server.security.limits import CallLimits
from crucible_ir.exchange.server.security.tokens import Role, TokenFile

SECRET = "a secret that must not be logged"


@pytest.fixture(autouse=True)
def log() -> Iterator[None]:
    """Restore the logging configuration."""
    logger = logging.getLogger("crucible_ir.exchange")
    before = (list(logger.handlers), logger.level, logger.propagate)
    yield
    logger.handlers[:], level, logger.propagate = before
    logger.setLevel(level)


async def call_in_every_way(channel: Any, token: str) -> None:
    """Make calls that succeed, fail, stream and are not allowed, each with a secret."""
    stub = stub_on(channel)
    document = model("m")
    document.model_ref.name = SECRET
    metadata = (*bearer(token), ("x-request-id", "mine/1"), ("x-other", SECRET))
    await stub.Publish(v1.PublishRequest(document=document), metadata=metadata)
    await failure(stub.Get(v1.GetRequest(type="ModelRef", id=SECRET), metadata=metadata))
    await failure(stub.Get(GET, metadata=bearer(f"{SECRET} {token}")))
    await failure(channel.unary_unary(f"/x/{'y' * 500}")(SECRET.encode()))
    watch = stub.Watch(v1.WatchRequest(after_sequence=0), metadata=metadata)
    await watch.read()
    watch.cancel()


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_log_has_a_line_for_each_call_and_no_secrets(tmp_path: Path, log_format: str) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    _, token = tokens.create('the "trainer"', Role.ADMIN)
    written = io.StringIO()
    log_to(written, log_format=log_format)

    async def work() -> None:
        options = ServerOptions(address=LOOPBACK, tokens=tokens)
        async with serving(tmp_path, options) as server, channel_to(server) as channel:
            await call_in_every_way(channel, token)
            # The server gets the cancellation slightly after the client; stopping the server
            # before would end the watch in another way.
            async with asyncio.timeout(10):
                while "/Watch" not in written.getvalue():
                    await asyncio.sleep(0.01)

    run(work())
    text = written.getvalue()
    assert SECRET not in text
    assert token not in text
    assert token.rpartition("_")[2] not in text
    service = "/crucible_ir.exchange.v1.ExchangeService"
    expected = [
        (f"{service}/Publish", "OK"),
        (f"{service}/Get", "NOT_FOUND"),
        (f"{service}/Get", "UNAUTHENTICATED"),
        (f"/x/{'y' * 197}", "UNIMPLEMENTED"),
        (f"{service}/Watch", "CANCELLED"),
    ]
    if log_format == "text":
        found = re.findall(r"INFO call method=(\S+) code=(\S+)", text)
        assert found == expected
        assert 'caller="the \\"trainer\\""' in text
        return
    lines = [json.loads(line) for line in text.splitlines()]
    calls = [line for line in lines if line["message"] == "call"]
    assert [(call["method"], call["code"]) for call in calls] == expected
    assert [call.get("caller") for call in calls] == [
        'the "trainer"',
        'the "trainer"',
        None,
        None,
        'the "trainer"',
    ]
    assert [call.get("request_id") for call in calls[:2]] == ["mine/1", "mine/1"]
    for call in (*calls[:3], calls[4]):
        assert call["peer"].startswith("ipv4:127.0.0.1:")
        assert 0 <= call["duration_ms"] < 30_000
    assert [line["message"].split()[0] for line in lines if line["message"] != "call"] == [
        "listening",
        "stopping",
        "stopped",
    ]


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [
        ("mine", True),
        ("a" * 128, True),
        ("a" * 129, False),
        ("", False),
        ("two words", False),
        ('x","level":"forged', False),
    ],
)
def test_request_id_is_kept_if_safe_to_log_and_replaced_otherwise(
    tmp_path: Path, given: str, is_kept: bool
) -> None:
    async def work() -> list[str]:
        async with serving(tmp_path) as server, channel_to(server) as channel:
            metadata = (("x-request-id", given),)
            failed = await failure(stub_on(channel).Get(GET, metadata=metadata))
            call = stub_on(channel).Publish(
                v1.PublishRequest(document=model("m")), metadata=metadata
            )
            await call
            ended = [failed.trailing_metadata(), await call.trailing_metadata()]
            return [dict(metadata)["x-request-id"] for metadata in ended]

    ids = run(work())
    if is_kept:
        assert ids == [given, given]
    else:
        assert all(re.fullmatch("[0-9a-f]{32}", id_) for id_ in ids)
        assert len(set(ids)) == 2


def samples_of(page: str) -> dict[str, float]:
    """Return the samples of a page in Prometheus's text format."""
    lines = [line for line in page.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_metrics_count_calls_by_method_and_code_and_unknown_methods_together(
    tmp_path: Path,
) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    _, token = tokens.create("trainer", Role.ADMIN)

    async def work() -> str:
        options = ServerOptions(address=LOOPBACK, tokens=tokens, metrics_port=0)
        async with serving(tmp_path, options) as server, channel_to(server) as channel:
            await call_in_every_way(channel, token)
            await failure(channel.unary_unary("/another")(b""))
            # The watch is counted as ended once the server gets the cancellation.
            await asyncio.sleep(0.1)
            return await asyncio.to_thread(page_of, server.metrics_port)

    page = run(work())
    assert SECRET not in page
    assert "yyy" not in page
    samples = samples_of(page)
    name, service = "crucible_ir_exchange", "/crucible_ir.exchange.v1.ExchangeService"
    for method, code, count in [
        (f"{service}/Publish", "OK", 1),
        (f"{service}/Get", "NOT_FOUND", 1),
        (f"{service}/Get", "UNAUTHENTICATED", 1),
        (f"{service}/Watch", "CANCELLED", 1),
        ("unknown", "UNIMPLEMENTED", 2),
    ]:
        assert (
            samples[f'{name}_calls_total{{code="{code}",method="{method}",protocol=""}}'] == count
        )
    assert samples[f'{name}_call_seconds_count{{method="{service}/Get",protocol=""}}'] == 2
    assert samples[f'{name}_calls_in_progress{{method="{service}/Watch",protocol=""}}'] == 0


def page_of(port: int | None) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
        return str(response.read().decode())


BATCH_PUBLISH = "/crucible_ir.exchange.v1.ExchangeService/BatchPublish"
PUBLISH = "/crucible_ir.exchange.v1.ExchangeService/Publish"


def oversized(size: int) -> v1.PublishRequest:
    document = model("m")
    document.model_ref.name = "n" * size
    return v1.PublishRequest(document=document)


def lines_of(written: io.StringIO) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    return [line for line in lines if not line["message"].startswith(("listening", "stop"))]


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_message_that_is_too_large_is_logged_and_counted(
    tmp_path: Path, compression: grpc.Compression
) -> None:
    written = io.StringIO()
    log_to(written, log_format="json")

    async def work() -> str:
        limits = CallLimits(message_bytes=10_000)
        options = ServerOptions(address=LOOPBACK, limits=limits, metrics_port=0)
        async with serving(tmp_path, options) as server, channel_to(server) as channel:
            stub = stub_on(channel)
            await failure(stub.Publish(oversized(20_000), compression=compression))
            stream = stub.BatchPublish(compression=compression)
            await stream.write(v1.BatchPublishRequest(publish=oversized(20_000)))
            await failure(stream.read())
            return await asyncio.to_thread(page_of, server.metrics_port)

    text = run(work())
    lines = lines_of(written)
    assert [(line["message"], line["method"]) for line in lines] == [
        ("message too large", PUBLISH),
        ("call", PUBLISH),
        ("message too large", BATCH_PUBLISH),
        ("call", BATCH_PUBLISH),
    ]
    assert [line["code"] for line in lines[1::2]] == ["RESOURCE_EXHAUSTED"] * 2
    for message, call in zip(lines[::2], lines[1::2], strict=True):
        assert message["request_id"] == call["request_id"]
    for line, request in zip(
        lines[::2],
        (oversized(20_000), v1.BatchPublishRequest(publish=oversized(20_000))),
        strict=True,
    ):
        assert (line["bytes"], line["limit"]) == (request.ByteSize(), 10_000)
    for method in (PUBLISH, BATCH_PUBLISH):
        labels = f'code="RESOURCE_EXHAUSTED",method="{method}",protocol=""'
        assert f"crucible_ir_exchange_calls_total{{{labels}}} 1.0" in text


def test_call_that_grpc_rejects_is_logged_and_counted(tmp_path: Path) -> None:
    written = io.StringIO()
    log_to(written, log_format="json")

    async def work() -> str:
        limits = CallLimits(message_bytes=10_000)
        options = ServerOptions(address=LOOPBACK, limits=limits, metrics_port=0)
        async with serving(tmp_path, options) as server, channel_to(server) as channel:
            metadata = (("x-request-id", "mine/1"),)
            publish = stub_on(channel).Publish
            error = await failure(publish(oversized(5_000_000), metadata=metadata))
            assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            # Ten megabytes are ten kilobytes on the wire.
            packed = publish(oversized(10_000_000), compression=grpc.Compression.Gzip)
            assert (await failure(packed)).code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            given_up = channel.stream_stream(PUBLISH)()
            await given_up.wait_for_connection()
            given_up.cancel()
            async with asyncio.timeout(10):
                while written.getvalue().count("call not begun") < 3:
                    await asyncio.sleep(0.01)
            await failure(stub_on(channel).Get(GET))
            return await asyncio.to_thread(page_of, server.metrics_port)

    text = run(work())
    lines = lines_of(written)
    assert [line["message"] for line in lines] == ["call not begun"] * 3 + ["call"]
    assert [line["method"] for line in lines[:3]] == [PUBLISH] * 3
    assert lines[0]["request_id"] == "mine/1"
    assert (
        f'crucible_ir_exchange_calls_not_begun_total{{method="{PUBLISH}",protocol=""}} 3.0' in text
    )
    assert "n" * 100 not in written.getvalue()


@pytest.mark.parametrize("is_lost", [True, False])
def test_aborted_stream_is_not_logged_as_ok(tmp_path: Path, is_lost: bool) -> None:
    written = io.StringIO()
    log_to(written, log_format="json")

    async def work() -> None:
        options = ServerOptions(address=LOOPBACK, limits=CallLimits(message_bytes=10_000))
        async with serving(tmp_path, options) as server, channel_to(server) as channel:
            for _ in range(5):
                stream = stub_on(channel).BatchPublish()
                await stream.write(v1.BatchPublishRequest(publish=oversized(1)))
                await stream.read()
                if is_lost:
                    await stream.write(v1.BatchPublishRequest(publish=oversized(5_000_000)))
                    await failure(stream.read())
                else:
                    stream.cancel()
            async with asyncio.timeout(10):
                while len(lines_of(written)) < 5:
                    await asyncio.sleep(0.01)

    run(work())
    assert [line["code"] for line in lines_of(written)] == ["CANCELLED"] * 5


def test_metrics_count_calls_in_progress() -> None:
    async def work() -> dict[str, float]:
        from prometheus_client import generate_latest

        options = ServerOptions(address=LOOPBACK, metrics_port=0)
        async with standing_in(options) as (server, services), channel_to(server) as channel:
            call = stub_on(channel).Get(GET)
            await services.begun.acquire()
            assert server._metrics is not None
            page = generate_latest(server._metrics.registry).decode()
            services.go.set()
            await call
            return samples_of(page)

    method = "/crucible_ir.exchange.v1.ExchangeService/Get"
    assert (
        run(work())[f'crucible_ir_exchange_calls_in_progress{{method="{method}",protocol=""}}'] == 1
    )


def test_port_in_use_is_named() -> None:
    first, second = Metrics(), Metrics()
    port = first.serve("127.0.0.1", 0)
    try:
        with pytest.raises(MetricsError, match=f"127.0.0.1:{port}"):
            second.serve("127.0.0.1", port)
    finally:
        first.close()


def test_each_call_gets_a_span_as_a_child_of_the_clients(
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

    async def work() -> None:
        options = ServerOptions(address=LOOPBACK, tracing=True)
        async with serving(tmp_path, options) as server, channel_to(server) as channel:
            metadata = (("traceparent", parent), ("x-request-id", "mine"))
            await failure(stub_on(channel).Get(GET, metadata=metadata))
            watch = stub_on(channel).Watch(v1.WatchRequest())
            await watch.read()
            watch.cancel()
            await failure(channel.unary_unary("/unknown")(b""))

    run(work())
    get, watch = exporter.get_finished_spans()
    assert get.name == "crucible_ir.exchange.v1.ExchangeService/Get"
    assert get.kind is trace.SpanKind.SERVER
    assert get.parent is not None
    assert f"{get.parent.trace_id:032x}" == parent[3:35]
    assert f"{get.parent.span_id:016x}" == parent[36:52]
    assert dict(get.attributes or {}) == {
        "rpc.system": "grpc",
        "rpc.service": "crucible_ir.exchange.v1.ExchangeService",
        "rpc.method": "Get",
        "rpc.grpc.status_code": 5,
        "crucible_ir.request_id": "mine",
    }
    assert watch.parent is None
    assert (watch.attributes or {})["rpc.grpc.status_code"] == grpc.StatusCode.CANCELLED.value[0]


def test_reflection_lists_the_services_and_their_schema(tmp_path: Path) -> None:
    from google.protobuf import descriptor_pb2
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    async def work() -> list[Any]:
        options = ServerOptions(address=LOOPBACK, reflection=True)
        async with serving(tmp_path, options) as server, channel_to(server) as channel:
            stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
            requests = [
                reflection_pb2.ServerReflectionRequest(list_services=""),
                reflection_pb2.ServerReflectionRequest(
                    file_containing_symbol="crucible_ir.exchange.v1.ExchangeService"
                ),
            ]
            return [answer async for answer in stub.ServerReflectionInfo(iter(requests))]

    services, files = run(work())
    assert {service.name for service in services.list_services_response.service} == {
        "crucible_ir.exchange.v1.AuditService",
        "crucible_ir.exchange.v1.ExchangeService",
        "crucible_ir.exchange.v1.FeedbackService",
        "crucible_ir.exchange.v1.ValidationService",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    content = files.file_descriptor_response.file_descriptor_proto[0]
    file = descriptor_pb2.FileDescriptorProto.FromString(content)
    assert [service.name for service in file.service] == ["ExchangeService"]


def call_to(name: str, code: grpc.StatusCode = grpc.StatusCode.OK) -> CallInfo:
    return CallInfo(
        f"/x/{name}", f"id of {name}", (), 0.0, "ipv4:1.2.3.4:5", None, True, code, 0.25
    )


def test_successful_calls_are_logged_together_and_before_a_failed_one() -> None:
    written = io.StringIO()
    log_to(written)

    async def work() -> None:
        log = CallLog()
        log.end(call_to("one"))
        log.end(call_to("two"))
        await asyncio.sleep(0)
        assert not written.getvalue()
        log.end(call_to("three", grpc.StatusCode.INTERNAL))
        await asyncio.sleep(0.01)
        assert names_in(written) == ["one", "two", "three"]
        log.end(call_to("four"))
        await asyncio.sleep(0.2)
        assert names_in(written) == ["one", "two", "three", "four"]
        for number in range(256):
            log.end(call_to(str(number)))
        await asyncio.sleep(0)
        assert len(names_in(written)) == 260

    run(work())


def names_in(written: io.StringIO) -> list[str]:
    return re.findall(r" call method=/x/(\S+) code=\S+ duration_ms=250.0 ", written.getvalue())


def test_other_log_handlers_get_calls_as_records() -> None:
    found: list[logging.LogRecord] = []

    class Collecting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record)

    logger = logging.getLogger("crucible_ir.exchange")
    logger.handlers[:] = [Collecting()]
    logger.setLevel(logging.INFO)

    async def work() -> None:
        log = CallLog()
        log.end(call_to("one"))
        log.end(call_to("two", grpc.StatusCode.UNAVAILABLE))

    begun = time.time()
    run(work())
    assert [(each.name, each.getMessage(), each.levelname) for each in found] == [
        ("crucible_ir.exchange.calls", "call", "INFO"),
        ("crucible_ir.exchange.calls", "call", "WARNING"),
    ]
    assert [vars(each)["exchange_fields"]["request_id"] for each in found] == [
        "id of one",
        "id of two",
    ]
    assert all(begun - 1 < each.created <= time.time() for each in found)


def test_closed_log_stream_does_not_stop_the_server() -> None:
    closed = io.StringIO()
    log_to(closed)
    closed.close()

    async def work() -> None:
        CallLog().end(call_to("one", grpc.StatusCode.INTERNAL))
        await asyncio.sleep(0)

    run(work())

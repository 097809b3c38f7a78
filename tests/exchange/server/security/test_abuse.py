"""Abuse: the server rejects malformed traffic, and continues to serve other clients."""

from __future__ import annotations

import asyncio
import random
import re
import resource
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from exchange.servers import (
    GET,
    LOOPBACK,
    channel_to,
    failure,
    model,
    reason_of,
    run,
    serving,
    standing_in,
    stub_on,
)
from exchange.unusual_ids import UNUSUAL_IDS

from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.options import Keepalive, ServerOptions
from crucible_ir.exchange.server.security.tokens import Role, TokenFile
from crucible_ir.exchange.server.services.registration import method_names
from crucible_ir.exchange.server.serving import ExchangeServer

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GET_PATH = "/crucible_ir.exchange.v1.ExchangeService/Get"


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Return a frame of HTTP/2 (RFC 9113, section 4.1)."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name: str, value: str) -> bytes:
    """Return a header in HPACK, literal and not indexed (RFC 7541, section 6.2.2)."""
    return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


HEADERS = b"".join(
    literal(name, value)
    for name, value in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", GET_PATH),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]
)
SETTINGS = frame(4, 0, 0, b"")
CALL = PREFACE + SETTINGS + frame(1, 4, 1, HEADERS)

#: The bytes that are sent to the port.
GARBAGE = {
    "nothing but noise": random.Random(1).randbytes(4096),
    "a request of HTTP/1.1": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "the beginning of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32),
    "a frame larger than allowed": PREFACE + SETTINGS + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",
    "data on the stream of the connection": PREFACE + SETTINGS + frame(0, 0, 0, b"x"),
    "headers that cannot be decompressed": PREFACE + SETTINGS + frame(1, 5, 1, b"\xff" * 100),
    "settings of a wrong length": PREFACE + frame(4, 0, 0, b"12345"),
    "a window grown beyond its end": PREFACE + SETTINGS + frame(8, 0, 0, b"\x7f\xff\xff\xff") * 2,
    "a message with a flag that does not exist": CALL + frame(0, 1, 1, b"\xff\x00\x00\x00\x00"),
    "a compressed message of no encoding": CALL + frame(0, 1, 1, b"\x01\x00\x00\x00\x01x"),
    "a message that ends early": CALL + frame(0, 1, 1, b"\x00\x00\x00\x00\xffx"),
    "a message of four gigabytes": CALL + frame(0, 0, 1, b"\x00\xff\xff\xff\xff"),
    "a stream that is reset at once, often": CALL
    + b"".join(
        frame(1, 4, stream, HEADERS) + frame(3, 0, stream, b"\x00\x00\x00\x08")
        for stream in range(3, 801, 2)
    ),
}


async def answers(server: ExchangeServer) -> bool:
    """Return whether a server still answers on a new connection."""
    async with channel_to(server) as channel:
        return (await failure(stub_on(channel).Get(GET, timeout=10))).code() is (
            grpc.StatusCode.NOT_FOUND
        )


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_malformed_frames_do_not_affect_other_clients(tmp_path: Path, garbage: bytes) -> None:
    async def work() -> None:
        async with serving(tmp_path) as server, channel_to(server) as honest:
            assert (await failure(stub_on(honest).Get(GET))).code() is grpc.StatusCode.NOT_FOUND
            reader, writer = await asyncio.open_connection("127.0.0.1", server.address.port)
            writer.write(garbage)
            # The server may have closed the connection already.
            await asyncio.wait([asyncio.ensure_future(writer.drain())])
            with suppress(TimeoutError, ConnectionError):
                await asyncio.wait_for(reader.read(), 0.2)
            assert await answers(server)
            assert (await failure(stub_on(honest).Get(GET))).code() is grpc.StatusCode.NOT_FOUND
            writer.close()

    run(work())


@pytest.mark.parametrize("beginning", [b"", PREFACE[:10]])
def test_silent_connection_is_closed(tmp_path: Path, beginning: bytes) -> None:
    async def work() -> bytes:
        options = ServerOptions(address=LOOPBACK, keepalive=Keepalive(ping_timeout_seconds=0.2))
        async with serving(tmp_path, options) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.address.port)
            writer.write(beginning)
            rest = await reader.read()
            writer.close()
            return rest

    # It returns: the server closed the connection, whatever it sent before.
    run(work())


def deflated(size: int) -> bytes:
    """Return a number of zeros compressed with gzip, without allocating them."""
    packer = zlib.compressobj(9, wbits=31)
    packed = b"".join(packer.compress(bytes(1_000_000)) for _ in range(size // 1_000_000))
    return packed + packer.flush()


def test_decompression_bomb_is_rejected_before_it_is_inflated(
    tmp_path: Path,
) -> None:
    async def work() -> tuple[bytes, int]:
        bomb = deflated(50_000_000)
        # A message beyond the limit on received bytes would prove nothing here.
        assert len(bomb) < 64_000
        message = b"\x01" + struct.pack(">I", len(bomb)) + bomb
        call = HEADERS + literal("grpc-encoding", "gzip")
        async with serving(tmp_path) as server:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            reader, writer = await asyncio.open_connection("127.0.0.1", server.address.port)
            writer.write(PREFACE + SETTINGS + frame(1, 4, 1, call))
            for start in range(0, len(message), 16_384):
                piece = message[start : start + 16_384]
                writer.write(frame(0, int(start + 16_384 >= len(message)), 1, piece))
            received = b""
            while b"grpc-status" not in received:
                content = await reader.read(4096)
                assert content
                received += content
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            writer.close()
            assert await answers(server)
            return received, grown

    received, kilobytes = run(work())
    exhausted = str(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]).encode()
    assert re.search(rb"grpc-status\W?" + exhausted + rb"\D", received, re.DOTALL), received
    assert kilobytes < 25_000


@pytest.mark.parametrize(
    "content",
    [
        b"\x0a\x02\xff\xfe\x12\x01m",
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\x0a",
        b"\x07",
        b"\x0a\x05ab",
        b"\xff" * 64,
    ],
    ids=["invalid UTF-8", "a length beyond the end", "no length", "no type", "cut off", "noise"],
)
def test_unparsable_request_is_an_invalid_argument(tmp_path: Path, content: bytes) -> None:
    async def work() -> None:
        async with serving(tmp_path) as server, channel_to(server) as channel:
            error = await failure(channel.unary_unary(GET_PATH)(content, timeout=10))
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert reason_of(error) == "UNREADABLE"
            stream = channel.stream_stream(GET_PATH.replace("Get", "BatchPublish"))(timeout=10)
            await stream.write(content)
            error = await failure(stream.read())
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert await answers(server)

    run(work())


def test_message_nested_too_deeply_is_rejected(tmp_path: Path) -> None:
    async def work() -> Any:
        nested = b""
        # Document.backend_ref is field 11, and BackendRef.fallback is field 7 at any depth.
        fallback = ir_v1.BackendRef.DESCRIPTOR.fields_by_name["fallback"].number
        for _ in range(5000):
            nested = bytes([fallback << 3 | 2]) + _varint(len(nested)) + nested
        document = bytes([11 << 3 | 2]) + _varint(len(nested)) + nested
        request = b"\x0a" + _varint(len(document)) + document
        async with serving(tmp_path) as server, channel_to(server) as channel:
            path = GET_PATH.replace("Get", "Publish")
            error = await failure(channel.unary_unary(path)(request, timeout=10))
            assert await answers(server)
            return error

    assert run(work()).code() == grpc.StatusCode.INVALID_ARGUMENT


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])


@pytest.mark.parametrize(
    "method",
    [
        "/crucible_ir.exchange.v1.ExchangeService/Drop",
        "/crucible_ir.exchange.v1.ExchangeService/get",
        "/crucible_ir.exchange.v1.ExchangeService/Get/",
        "/crucible_ir.exchange.v1.ExchangeService/../ExchangeService/Get",
        "/crucible_ir.exchange.v2.ExchangeService/Get",
        "/x",
        "/",
        "/grpc.health.v1.Health/Check",
        "/" + "x" * 5000,
    ],
)
def test_unknown_method_is_unimplemented_with_or_without_a_token(
    tmp_path: Path, method: str
) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    tokens.create("somebody", Role.READER)

    async def work(options: ServerOptions) -> Any:
        async with serving(tmp_path, options) as server, channel_to(server) as channel:
            return await failure(channel.unary_unary(method)(b"", timeout=10))

    for options in (
        ServerOptions(address=LOOPBACK),
        ServerOptions(address=LOOPBACK, tokens=tokens),
    ):
        assert run(work(options)).code() == grpc.StatusCode.UNIMPLEMENTED


def test_unusual_ids_are_accepted(tmp_path: Path) -> None:
    async def work() -> None:
        async with serving(tmp_path) as server, channel_to(server) as channel:
            stub = stub_on(channel)
            for id_ in UNUSUAL_IDS:
                response = await stub.Publish(v1.PublishRequest(document=model(id_)))
                assert response.created, id_
            for id_ in UNUSUAL_IDS:
                answer = await stub.Get(v1.GetRequest(type="ModelRef", id=id_))
                assert answer.record.id == id_
                assert answer.document == model(id_)
                listed = await stub.List(
                    v1.ListRequest(type="ModelRef", filters=[v1.Filter(field="id", equals=id_)])
                )
                assert [entry.record.id for entry in listed.entries] == [id_]
                expected = {other for other in UNUSUAL_IDS if other.startswith(id_)}
                found = await stub.List(
                    v1.ListRequest(type="ModelRef", filters=[v1.Filter(field="id", prefix=id_)])
                )
                assert {entry.record.id for entry in found.entries} == expected
            everything = await stub.List(v1.ListRequest(type="ModelRef"))
            assert {entry.record.id for entry in everything.entries} == set(UNUSUAL_IDS)

    run(work())


def test_aborted_request_leaves_nothing_behind(tmp_path: Path) -> None:
    async def work() -> None:
        async with serving(tmp_path) as server, channel_to(server) as channel:
            for method in method_names():
                stream = channel.stream_stream(method)(timeout=10)
                await stream.write(b"\x0a")
                stream.cancel()
            assert await answers(server)

    run(work())


class _Proxy:
    """Forwards one connection, until it drops all data without closing the connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._lost = False
        self._tasks: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, far_writer]
        self._tasks.append(asyncio.create_task(self._forward(reader, far_writer)))
        self._tasks.append(asyncio.create_task(self._forward(far_reader, writer)))

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while content := await reader.read(65536):
            if not self._lost:
                writer.write(content)
                await writer.drain()

    def lose_everything(self) -> None:
        self._lost = True

    async def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.mark.parametrize("is_gone", [True, False])
def test_dead_connection_is_detected_and_its_calls_end(
    is_gone: bool,
) -> None:
    async def work() -> bool:
        keepalive = Keepalive(ping_seconds=1, ping_timeout_seconds=0.5)
        options = ServerOptions(address=LOOPBACK, keepalive=keepalive, grace_seconds=1)
        async with standing_in(options) as (server, services):
            assert server.address.port is not None
            proxy = _Proxy(server.address.port)
            await proxy.start()
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{proxy.port}")
            watch = stub_on(channel).Watch(v1.WatchRequest())
            await services.begun.acquire()
            if is_gone:
                proxy.lose_everything()
            with suppress(TimeoutError):
                # If it works, the only thing to wait for is the time of a ping.
                await asyncio.wait_for(services.cancelled.wait(), 10 if is_gone else 2)
            was_ended = services.cancelled.is_set()
            watch.cancel()
            await channel.close(None)
            await proxy.close()
            return was_ended

    assert run(work()) is is_gone


def test_client_that_pings_too_often_is_disconnected() -> None:
    async def pinged(least: float) -> grpc.StatusCode | None:
        keepalive = Keepalive(least_client_ping_seconds=least)
        options = ServerOptions(address=LOOPBACK, keepalive=keepalive, grace_seconds=1)
        async with standing_in(options) as (server, _):
            assert server.address.port is not None
            reader, writer = await asyncio.open_connection("127.0.0.1", server.address.port)
            writer.write(PREFACE + SETTINGS)
            for _ in range(5):
                writer.write(frame(6, 0, 0, bytes(8)))
                await writer.drain()
                await asyncio.sleep(0.03)
            received = b""
            with suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    while content := await reader.read(4096):
                        received += content
            writer.close()
            return grpc.StatusCode.UNAVAILABLE if b"too_many_pings" in received else None

    assert run(pinged(60)) is grpc.StatusCode.UNAVAILABLE
    assert run(pinged(0.001)) is None

"""Connections without calls: they are limited, closed, and never take the last descriptors."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
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
    stub_on,
)

from crucible_ir.exchange import v1
from crucible_ir.exchange.server.options import Keepalive, ServerOptions, ServingError
from crucible_ir.exchange.server.security.tokens import Role, TokenFile
from crucible_ir.exchange.v1.exchange_service_pb2_grpc import ExchangeServiceStub

#: The descriptors of a server in these tests, and connections that would take more.
DESCRIPTORS = 256
TOO_MANY = 300

#: The beginning of a connection of HTTP/2: the preface and empty settings (RFC 9113, section 3.4).
BEGINNING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])

#: The time in which anything that is waited for has happened, in seconds.
SOON = 20


def command(store: str | Path, soft: int, hard: int, *options: str) -> list[str]:
    """Return the command of a server with limits on its file descriptors."""
    serve = 'exec "$0" -m crucible_ir serve --listen 127.0.0.1:0 --store "$@"'
    limited = f"ulimit -Sn {soft} && ulimit -Hn {hard} && {serve}"
    return ["bash", "-c", limited, sys.executable, str(store), *options]


@contextmanager
def served(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a server, and return its process and port."""
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("listening on "), process.communicate(timeout=10)[1]
        yield process, int(line.rpartition(":")[2])
    finally:
        process.kill()
        process.communicate(timeout=10)


def idle_connection(port: int) -> socket.socket:
    """Open a connection of HTTP/2 without a call."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=SOON)
    with suppress(ConnectionError):
        connection.sendall(BEGINNING)
    return connection


def wait_until_closed(connection: socket.socket) -> None:
    """Read until the other end closes a connection."""
    with connection, suppress(ConnectionError):
        while connection.recv(4096):
            pass


def test_idle_connections_shut_out_neither_a_token_nor_the_store(
    tmp_path: Path, address: str
) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    _, secret = tokens.create("trainer", Role.PUBLISHER)
    metadata = bearer(secret)
    options = ("--tokens", str(tokens.path), "--max-idle", "0.75")

    def publish(channel: grpc.Channel, id_: str, timeout: float = SOON) -> int:
        request = v1.PublishRequest(document=model(id_))
        stub = ExchangeServiceStub(channel)
        # The server may be full for as long as the idle limit.
        answer = stub.Publish(request, timeout=timeout, metadata=metadata, wait_for_ready=True)
        return answer.record.sequence

    with (
        served(*command(address, 128, DESCRIPTORS, *options)) as (process, port),
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        assert publish(channel, "before") == 1
        watch: Any = ExchangeServiceStub(channel).Watch(
            v1.WatchRequest(after_sequence=0), timeout=60, metadata=metadata
        )
        changes = (answer.change.record for answer in watch if answer.HasField("change"))
        assert next(changes).sequence == 1
        connections = [idle_connection(port) for _ in range(TOO_MANY)]
        # Callers with a connection notice nothing, and the database can be written.
        assert publish(channel, "meanwhile", timeout=5) == 2
        assert next(changes).sequence == 2
        with grpc.insecure_channel(
            f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)]
        ) as newcomer:
            assert publish(newcomer, "newcomer") == 3
        for connection in connections:
            wait_until_closed(connection)
        # An open stream is not idle, however long it waits.
        time.sleep(1.6)
        assert publish(channel, "after") == 4
        assert [next(changes).sequence for _ in range(2)] == [3, 4]
        process.terminate()
        log = process.communicate(timeout=SOON)[1]
    assert "unable to open" not in log
    assert "ERROR" not in log


def test_more_connections_than_the_limit_are_closed(tmp_path: Path) -> None:
    async def work() -> None:
        options = ServerOptions(address=LOOPBACK, connections=2)
        async with serving(tmp_path, options) as server, channel_to(server) as first:
            assert (await failure(stub_on(first).Get(GET))).code() is grpc.StatusCode.NOT_FOUND
            async with channel_to(server) as second, channel_to(server) as third:
                error = await failure(stub_on(second).Get(GET))
                assert error.code() is grpc.StatusCode.NOT_FOUND
                error = await failure(stub_on(third).Get(GET))
                assert error.code() is grpc.StatusCode.UNAVAILABLE
                error = await failure(stub_on(first).Get(GET))
                assert error.code() is grpc.StatusCode.NOT_FOUND
            async with channel_to(server) as fourth:
                error = await failure(stub_on(fourth).Get(GET, timeout=SOON, wait_for_ready=True))
                assert error.code() is grpc.StatusCode.NOT_FOUND

    run(work())


def test_soft_limit_on_descriptors_is_raised_to_the_hard_one(tmp_path: Path) -> None:
    store = tmp_path / "exchange.db"
    with served(*command(store, 128, 512, "--max-connections", "312")):
        pass
    arguments = command(store, 128, 511, "--max-connections", "312")
    result = subprocess.run(arguments, capture_output=True, text=True, timeout=SOON)
    assert result.returncode == 2
    assert result.stderr == (
        "crucible-ir: 312 connections need 512 file descriptors, and the limit is 511: raise it"
        " with ulimit -n, or lower --max-connections\n"
    )


def test_limit_on_connections_is_checked_before_the_server_starts() -> None:
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    ServerOptions(address=LOOPBACK, connections=1, keepalive=Keepalive(idle_seconds=None)).check()
    if descriptors != resource.RLIM_INFINITY:
        with pytest.raises(ServingError, match="--max-connections"):
            ServerOptions(address=LOOPBACK, connections=descriptors).check()

"""Hostile requests: every one gets an error, and the server answers the next request."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from web.api.conftest import MESSAGE_BYTES
from web.api.connect_client import (
    EXCHANGE,
    FEEDBACK,
    JSON_STREAM,
    details_of,
    error_of,
    framed,
    frames,
    post,
)
from web.http_servers import LOOPBACK, TIMEOUT, RunningExchange, http_exchange

from crucible_ir.exchange.server.options import ServerOptions
from crucible_ir.web import connections

GET = f"{EXCHANGE}/Get"
INGEST = f"{FEEDBACK}/Ingest"
JSON = {"content-type": "application/json"}
PACKED = JSON | {"content-encoding": "gzip"}


@pytest.fixture(autouse=True)
def _survives(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Check that the server answers afterwards, and that nothing failed inside it."""
    with caplog.at_level(logging.WARNING):
        yield
        response = post(client, GET, {"type": "ModelRef", "id": "absent"})
    assert response.status_code == 404
    assert [record.getMessage() for record in caplog.records] == []


def bomb(size: int) -> bytes:
    """Return some hundred bytes of gzip that become as many as wanted."""
    return gzip.compress(b" " * size, mtime=0)


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", JSON, 400),
        (b"nonsense", JSON, 400),
        (b"[]", JSON, 400),
        (b"null", JSON, 400),
        (b'{"type": "ModelRef", "type": "ModelRef"}', JSON, 400),
        (b'{"id": "\xff"}', JSON, 400),
        (b'{"id": "\xed\xa0\x80"}', JSON, 400),
        (b'{"id": "\\ud800"}', JSON, 400),
        (b'{"id": ' + b"[" * 100_000, JSON, 400),
        (b'{"x": ' + b'{"x": ' * 5000 + b"1" + b"}" * 5001, JSON, 400),
        (b'{"revision": 1e999}', JSON, 400),
        (b'{"revision": ' + b"9" * 10_000 + b"}", JSON, 400),
        ("{}".encode("utf-16"), JSON, 400),
        (b"\x0a\xff", {"content-type": "application/proto"}, 400),
        (b"\x0a\x01\xff", {"content-type": "application/proto"}, 400),
        (b"{}", PACKED, 400),
        (gzip.compress(b"{}", mtime=0)[:-3], PACKED, 400),
        (gzip.compress(b"{}", mtime=0) + b"rest", PACKED, 400),
        (b"{}", JSON | {"content-encoding": "br"}, 501),
        (b"{}", JSON | {"content-encoding": "gzip, gzip"}, 501),
        (b" " * (MESSAGE_BYTES + 1), JSON, 429),
        (bomb(100_000_000), PACKED, 429),
        (gzip.compress(b"", mtime=0) * 10_000, PACKED, 400),
    ],
    ids=range(23),
)
def test_bad_bodies_get_an_error(
    client: httpx.Client, body: bytes, headers: dict[str, str], status: int
) -> None:
    response = client.post(GET, content=body, headers=headers)
    assert response.status_code == status
    codes = {400: "invalid_argument", 429: "resource_exhausted", 501: "unimplemented"}
    assert error_of(response) == (status, codes[status])
    assert response.headers["x-request-id"]
    assert len(response.content) < 8192


def test_a_message_that_is_too_large_names_the_limit(client: httpx.Client) -> None:
    response = client.post(GET, content=b" " * 300_000, headers=JSON)
    assert str(MESSAGE_BYTES) in response.json()["message"]
    (detail,) = details_of(response.json())
    assert detail.violations[0].subject == "message"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"\0\0", "invalid_argument"),
        (framed(b"{}")[:-1], "invalid_argument"),
        (framed(b"{}", flags=2), "invalid_argument"),
        (framed(b"{}", flags=0x80), "invalid_argument"),
        (framed(gzip.compress(b"{}", mtime=0), flags=1), "invalid_argument"),
        (b"\0\xff\xff\xff\xff{}", "resource_exhausted"),
        (b"{}", "invalid_argument"),
    ],
)
def test_bad_streams_end_with_an_error(client: httpx.Client, body: bytes, code: str) -> None:
    for path in (INGEST, f"{EXCHANGE}/Watch"):
        response = client.post(path, content=body, headers=JSON_STREAM)
        assert response.status_code == 200
        ((flags, end),) = frames(response.content)
        assert flags == 2
        assert json.loads(end)["error"]["code"] == code


def test_a_bomb_in_a_stream_ends_it(client: httpx.Client) -> None:
    headers = JSON_STREAM | {"connect-content-encoding": "gzip"}
    response = client.post(INGEST, content=framed(bomb(100_000_000), flags=1), headers=headers)
    ((_, end),) = frames(response.content)
    assert json.loads(end)["error"]["code"] == "resource_exhausted"


def test_queries_of_many_parameters_are_invalid(client: httpx.Client) -> None:
    response = client.get(f"{GET}?{'a=1&' * 1000}")
    assert error_of(response) == (400, "invalid_argument")
    response = client.get(f"{GET}?encoding=json&message=%ff%fe")
    assert error_of(response) == (400, "invalid_argument")


@contextmanager
def connection_to(exchange: RunningExchange) -> Iterator[socket.socket]:
    address = urlsplit(exchange.url)
    with socket.create_connection((address.hostname, address.port), TIMEOUT) as connection:
        yield connection


def head_of(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "host: localhost", *headers, "", ""]).encode()


def test_a_slow_body_ends_with_the_time_limit(exchange: RunningExchange) -> None:
    with connection_to(exchange) as connection:
        begun = time.monotonic()
        head = head_of(GET, "content-type: application/json", "content-length: 100")
        connection.sendall(head + b"{")
        answer = connection.recv(4096)
    assert b" 504 " in answer
    assert 0.9 < time.monotonic() - begun < 10


def test_headers_that_do_not_end_are_cut_off(
    exchange: RunningExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.3)
    for start in (b"", b"POST / HTTP/1.1\r\nhost: localhost\r\nx: "):
        with connection_to(exchange) as connection:
            connection.sendall(start)
            assert is_closed(connection)
    with connection_to(exchange) as connection:
        # After a request too.
        request = head_of(GET, "content-length: 0")
        connection.sendall(request)
        assert b" 415 " in connection.recv(4096)
        connection.sendall(request[:20])
        assert is_closed(connection)


def test_large_headers_are_rejected(exchange: RunningExchange) -> None:
    with connection_to(exchange) as connection:
        connection.sendall(head_of(GET, f"x: {'y' * 20_000}"))
        assert b" 431 " in connection.recv(4096)
    with connection_to(exchange) as connection:
        connection.sendall(head_of(GET, f"x: {'y' * 300_000}"))
        assert connection.recv(4096).split()[1] in (b"400", b"431")


def test_headers_that_are_no_text_are_no_request_id(client: httpx.Client) -> None:
    headers = [(b"x-request-id", b"\xff\xfe"), (b"content-type", b"application/json")]
    response = client.post(GET, content=b"{}", headers=headers)
    assert response.headers["x-request-id"].isascii()


def test_pages_of_other_sites_cannot_use_a_server_without_tokens(client: httpx.Client) -> None:
    # DNS can give any name the address 127.0.0.1.
    request = {"type": "ModelRef", "id": "absent"}
    for host in ("evil.example", "evil.example:8080", "127.0.0.1.evil.example", "", "[::1].x"):
        assert post(client, GET, request, host=host).status_code == 421, host
    for host in ("127.0.0.1", "localhost:8080", "[::1]:8080", "LOCALHOST"):
        assert post(client, GET, request, host=host).status_code == 404, host
    # What a page may send without asking is not accepted, and nothing permits to ask.
    assert client.options(GET, headers={"origin": "https://evil.example"}).status_code == 405


def test_connections_beyond_the_limit_are_closed(tmp_path: Path) -> None:
    options = ServerOptions(address=LOOPBACK, connections=3)
    with http_exchange(tmp_path, options) as running, ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(connection_to(running))
        with connection_to(running) as further:
            assert is_closed(further)
        stack.close()
        until = time.monotonic() + TIMEOUT
        while not is_healthy(running.url):
            assert time.monotonic() < until


def is_healthy(url: str) -> bool:
    """Return whether a server answers on a new connection."""
    try:
        return httpx.get(f"{url}/healthz", timeout=TIMEOUT).status_code == 200
    except httpx.TransportError:
        return False


def is_closed(connection: socket.socket) -> bool:
    """Return whether the server closes a connection without an answer."""
    try:
        return connection.recv(4096) == b""
    except ConnectionResetError:
        return True


def test_a_rejected_body_that_never_ends_is_cut_off(
    exchange: RunningExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.3)
    with connection_to(exchange) as connection:
        connection.sendall(head_of(GET, "content-length: 1000000"))
        assert b" 415 " in connection.recv(4096)
        until = time.monotonic() + TIMEOUT
        with pytest.raises(OSError):
            while time.monotonic() < until:
                connection.sendall(b"x")
                time.sleep(0.05)

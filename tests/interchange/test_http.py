"""Services that speak JSON over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from crucible_ir.interchange.mapping import http
from crucible_ir.interchange.mapping.http import HttpError, JsonService, is_address


class Service:
    """A service on the loopback address that answers as a test says."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        #: Status, headers and body of the next answers; the last one stays.
        self.answers: list[tuple[int, dict[str, str], bytes]] = [(200, {}, b"{}")]
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                headers = {key.lower(): value for key, value in self.headers.items()}
                owner.requests.append((self.command, self.path, headers, self.rfile.read(length)))
                answers = owner.answers
                status, more, body = answers.pop(0) if len(answers) > 1 else answers[0]
                self.send_response(status)
                for key, value in more.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PATCH = _answer

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service()
    yield server
    server.stop()


@pytest.fixture
def other() -> Iterator[Service]:
    server = Service()
    yield server
    server.stop()


def test_requests_and_answers(service: Service) -> None:
    service.answers = [(200, {}, b'{"a": NaN}')]
    client = JsonService(f"{service.address}/base/", headers={"X-Key": "k"})
    assert str(client.get("things", [("q", "a b&c")])["a"]) == "nan"
    method, path, headers, _ = service.requests[-1]
    assert (method, path, headers["x-key"]) == ("GET", "/base/things?q=a+b%26c", "k")
    service.answers = [(200, {}, b"")]
    assert client.post("things", {"x": 1}) == {}
    method, path, headers, body = service.requests[-1]
    assert (method, path, headers["content-type"]) == ("POST", "/base/things", "application/json")
    assert json.loads(body) == {"x": 1}


def test_credentials_in_the_address_are_a_header_and_in_no_error(service: Service) -> None:
    address = service.address.replace("http://", "http://ada:se%20cret@")
    service.answers = [(401, {}, b'{"message": "who are you?"}')]
    client = JsonService(address, hint="set TOKEN")
    with pytest.raises(HttpError) as caught:
        client.get("x", [("secret", "s")])
    assert str(caught.value) == "401 who are you?; set TOKEN (GET /x)"
    assert caught.value.status == 401
    expected = http.basic_authorization("ada", "se cret")["Authorization"]
    assert service.requests[-1][2]["authorization"] == expected
    assert "ada" not in client.address


def test_a_redirect_to_another_host_gets_no_credentials(service: Service, other: Service) -> None:
    service.answers = [(302, {"Location": f"{other.address}/there"}, b"")]
    other.answers = [(200, {}, b'{"ok": 1}')]
    client = JsonService(service.address, headers={"Authorization": "Bearer t"})
    assert client.get("here") == {"ok": 1}
    assert service.requests[0][2]["authorization"] == "Bearer t"
    assert "authorization" not in other.requests[0][2]
    service.answers = [(301, {"Location": "/there"}, b""), (200, {}, b"{}")]
    client.get("here")
    assert service.requests[-1][2]["authorization"] == "Bearer t"


def test_what_is_sent_follows_no_redirect(service: Service, other: Service) -> None:
    place = other.address.replace("http://", "http://u:p@")
    service.answers = [(307, {"Location": f"{place}/there?key=1"}, b"")]
    with pytest.raises(HttpError, match=f"redirected to {other.address}/there; give"):
        JsonService(service.address).post("here", {}, repeatable=True)
    assert other.requests == []


def test_redirects_have_an_end(service: Service) -> None:
    service.answers = [(302, {"Location": "/again"}, b"")]
    with pytest.raises(HttpError, match="redirects"):
        JsonService(service.address).get("here")


def test_a_busy_service_is_asked_again(service: Service) -> None:
    service.answers = [(503, {"Retry-After": "0"}, b"busy"), (200, {}, b'{"ok": 1}')]
    assert JsonService(service.address).get("x") == {"ok": 1}
    service.answers = [(429, {"Retry-After": "0"}, b""), (200, {}, b'{"ok": 2}')]
    assert JsonService(service.address).post("x", {}, repeatable=True) == {"ok": 2}
    service.answers = [(503, {}, b""), (200, {}, b"{}")]
    count = len(service.requests)
    with pytest.raises(HttpError, match="503 Service Unavailable"):
        JsonService(service.address).post("x", {})
    assert len(service.requests) == count + 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((500, {}, b'{"error": {"message": "it\\nbroke"}}'), "500 it broke"),
        ((500, {}, json.dumps({"detail": "x" * 600}).encode()), "500 " + "x" * 500 + "…"),
        ((404, {"Content-Type": "text/html; charset=utf-8"}, b"<html>"), "404 Not Found"),
        ((400, {}, b"[1]"), "400 Bad Request"),
        ((200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>"), "expected JSON, got text"),
        ((200, {}, b"\xff"), "expected JSON, got no type"),
    ],
)
def test_errors(service: Service, answer: tuple[int, dict[str, str], bytes], expected: str) -> None:
    service.answers = [answer]
    with pytest.raises(HttpError) as caught:
        JsonService(service.address).get("x")
    assert str(caught.value).startswith(expected)


def test_a_large_answer_is_an_error(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_BYTES", 100)
    service.answers = [(200, {}, b" " * 101)]
    with pytest.raises(HttpError, match="larger than 100 bytes"):
        JsonService(service.address).get("x")


def test_a_service_that_cannot_be_reached(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "RETRIES", 0)
    service.stop()
    with pytest.raises(HttpError, match="Connection refused") as caught:
        JsonService(service.address).get("x")
    assert caught.value.status is None
    with pytest.raises(HttpError, match="the host is unknown"):
        JsonService("http://no-such-host.invalid").get("x")


def test_a_silent_service_is_an_error(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "RETRIES", 0)
    monkeypatch.setattr(http, "READ_TIMEOUT", 0.05)
    service.answers = [(200, {"Content-Encoding": "gzip"}, b"no gzip")]
    with pytest.raises(HttpError, match="gzip"):
        JsonService(service.address).get("x")
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(HttpError, match=r"no answer within 0\.05 s"):
            JsonService(address).get("x")


@pytest.mark.parametrize("address", ["ftp://host", "http://", "http://[", "http://h:x", "host"])
def test_invalid_addresses(address: str) -> None:
    with pytest.raises(HttpError, match="invalid address"):
        JsonService(address)


def test_addresses() -> None:
    assert is_address("HTTPS://x")
    assert not is_address("http.json")
    assert JsonService("https://[::1]:8/x/?q#f").address == "https://[::1]:8/x"


def test_a_proxy_is_used_but_not_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "inside.example")
    assert JsonService("https://outside.example")._pool.proxy.host == "proxy.example"
    assert JsonService("https://inside.example")._pool.proxy is None
    assert JsonService("http://127.0.0.1:1")._pool.proxy is None

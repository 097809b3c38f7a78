"""The keys of JSON Web Tokens: what is no usable set of keys, and what happens when it changes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from exchange.issuers import (
    AUDIENCE,
    ISSUER,
    KEY,
    OTHER_KEY,
    Issuer,
    public,
    respond,
    serving_keys,
    signed,
)
from exchange.servers import GET, LOOPBACK, bearer, channel_to, failure, run, serving, stub_on

from crucible_ir.exchange import v1
from crucible_ir.exchange.server import serving as server_module
from crucible_ir.exchange.server.options import ServerOptions
from crucible_ir.exchange.server.rpc.errors import RpcError
from crucible_ir.exchange.server.security import jwt_keys
from crucible_ir.exchange.server.security.jwt_keys import JwtKeys, JwtKeysError
from crucible_ir.exchange.server.security.jwt_tokens import JwtChecker, JwtOptions

K1, K2 = public(KEY, "k1", "RS256"), public(OTHER_KEY, "k2", "RS256")
SECRET = {"kty": "oct", "k": "AAAA", "kid": "k1"}
SMALL = public(rsa.generate_private_key(65537, 1024), "k3", "RS256")
PRIVATE = {
    "RSA": jwt.algorithms.RSAAlgorithm.to_jwk(OTHER_KEY, as_dict=True),
    "OKP": jwt.algorithms.OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate(), as_dict=True),
}


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with serving_keys() as issuer:
        yield issuer


def keys_of(*keys: Any) -> bytes:
    return json.dumps({"keys": keys}).encode()


#: Contents that are no usable set of keys, and what the error says.
CONTENTS: dict[str, tuple[bytes, str]] = {
    "no keys": (keys_of(), "no public key for signatures"),
    "a symmetric key": (keys_of(SECRET), "no public key for signatures"),
    "a key for encryption": (keys_of({**K1, "use": "enc"}), "no public key for signatures"),
    "a private key": (keys_of(K1, {**PRIVATE["RSA"], "kid": "k2"}), "k2.* is private"),
    "a private key of a curve": (keys_of(K1, {**PRIVATE["OKP"], "kid": "o1"}), "o1.* is private"),
    "a short key": (keys_of(K1, SMALL), "k3.* has less than 2048 bits"),
    "two keys with one id": (keys_of(K1, {**K2, "kid": "k1"}), "k1.* is not unique"),
    "a key of no use": (keys_of({"kty": "RSA", "kid": "k1"}), "a key has no 'n'"),
    "an unknown curve": (keys_of({"kty": "EC", "crv": "P-1", "x": "AA", "y": "AA"}), "invalid"),
    "a key that is a number": (keys_of(1), "list of objects"),
    "a list": (b"[]", "list of objects"),
    "keys as an object": (b'{"keys": {}}', "list of objects"),
    "duplicate names": (b'{"keys": [], "keys": []}', "duplicate key"),
    "no JSON": (b"<html>Sign in</html>", "invalid JSON Web Key Set"),
    "no UTF-8": (b"\xff\xfe", "invalid JSON Web Key Set"),
    "nothing": (b"", "invalid JSON Web Key Set"),
    "deep JSON": (b"[" * 200_000, "invalid JSON Web Key Set"),
    "too much": (keys_of(K1) + b" " * 262_144, "more than 262144 bytes"),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_other_contents_are_an_error_and_the_earlier_keys_stay(
    tmp_path: Path, issuer: Issuer, name: str
) -> None:
    content, reason = CONTENTS[name]
    file = tmp_path / "jwks.json"
    file.write_bytes(content)
    with pytest.raises(JwtKeysError, match=reason):
        JwtKeys(str(file))
    keys = JwtKeys(issuer.url)
    issuer.respond = lambda handler: respond(handler, content)
    with pytest.raises(JwtKeysError, match=reason):
        keys.reload()
    assert (keys.find("k1") is None, keys.generation) == (False, 0)


def test_a_symmetric_key_beside_others_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(keys_of(SECRET, K2))
    keys = JwtKeys(str(file))
    assert (keys.find("k1"), keys.find("k2") is None) == (None, False)


def no_http(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"SSH-2.0-server\r\n\r\n")


def truncated(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("content-length", "1000")
    handler.end_headers()
    handler.wfile.write(keys_of(K1)[:100])


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda handler: respond(handler, keys_of(K1), 503), "the status 503$"),
        (lambda handler: respond(handler, b"", 404), "the status 404$"),
        (no_http, "not valid HTTP"),
        (truncated, "invalid JSON Web Key Set"),
    ],
    ids=["503", "404", "no HTTP", "truncated"],
)
def test_other_responses_are_an_error(issuer: Issuer, answer: Any, reason: str) -> None:
    issuer.respond = answer
    with pytest.raises(JwtKeysError, match=reason):
        JwtKeys(issuer.url)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(issuer: Issuer, status: int) -> None:
    with serving_keys() as other:
        issuer.respond = lambda handler: respond(handler, b"", status, location=other.url)
        with pytest.raises(JwtKeysError, match=f"{status}; redirects are not followed"):
            JwtKeys(issuer.url)
        assert other.requests == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.test/jwks",
        "http://localhost.issuer.test/jwks",
        "http://127.0.0.1@issuer.test/jwks",
        "http://[::1/jwks",
    ],
)
def test_other_machines_require_https(url: str) -> None:
    with pytest.raises(JwtKeysError, match="require https"):
        JwtKeys(url)


def test_what_is_no_url_is_an_error() -> None:
    for source in ("http://127.0.0.1:x/", "https://user:password@/", "HTTP://127.0.0.1/", "a\0b"):
        with pytest.raises(JwtKeysError, match="the keys cannot be read"):
            JwtKeys(source)


def test_keys_of_this_machine_do_not_pass_a_proxy(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving_keys() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        JwtKeys(issuer.url)
        assert (issuer.requests, proxy.requests) == (1, 0)


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
@pytest.mark.parametrize("drips", [False, True], ids=["silent", "drips"])
def test_a_slow_response_ends_in_time(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch, start: bytes, drips: bool
) -> None:
    monkeypatch.setattr(jwt_keys, "STEP_SECONDS", 0.15)
    monkeypatch.setattr(jwt_keys, "TOTAL_SECONDS", 0.3)

    def slow(handler: BaseHTTPRequestHandler) -> None:
        with suppress(OSError):
            handler.wfile.write(start)
            while not issuer.closing.wait(0.02):
                handler.wfile.write(b" " if drips else b"")

    issuer.respond = slow
    begun = time.monotonic()
    with pytest.raises(JwtKeysError, match="no complete response in time"):
        JwtKeys(issuer.url)
    assert time.monotonic() - begun < 2


def test_a_refused_connection_is_an_error(issuer: Issuer) -> None:
    issuer.close()
    with pytest.raises(JwtKeysError, match="Connection refused"):
        JwtKeys(issuer.url)


@dataclass
class Clock:
    """A clock that a test sets."""

    time: float = 100.0

    def __call__(self) -> float:
        return self.time


def test_a_url_that_fails_is_tried_again_soon(issuer: Issuer) -> None:
    clock = Clock()
    keys = JwtKeys(issuer.url, clock=clock)
    clock.time += 299
    assert (keys.is_due(), keys.is_due(unknown=True)) == (False, True)
    clock.time += 1
    assert keys.is_due()
    issuer.respond = lambda handler: respond(handler, b"", 503)
    with pytest.raises(JwtKeysError):
        keys.reload()
    clock.time += 9
    assert not keys.is_due(unknown=True)
    clock.time += 1
    assert keys.is_due()
    issuer.respond = None
    keys.reload()
    clock.time += 10
    assert not keys.is_due()


async def soon(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    while not is_so():
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("kind", ["URL", "file", "removed file"])
def test_keys_that_cannot_be_read_again_are_used_for_one_hour(
    tmp_path: Path, issuer: Issuer, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    caplog.set_level("INFO")
    clock = Clock()
    file = tmp_path / "jwks.json"

    def publish_keys(content: bytes | None) -> None:
        issuer.respond = lambda handler: respond(handler, content or b"", 200 if content else 503)
        if content is None and kind == "removed file":
            file.unlink()
        else:
            file.write_bytes(content or b"{")

    async def outcome(call: Awaitable[Any]) -> str:
        try:
            return str((await call).caller.name)
        except RpcError as error:
            return f"{error.code.name} {getattr(error.details[0], 'reason', '')}"

    async def work() -> list[str]:
        publish_keys(keys_of(K1))
        source = issuer.url if kind == "URL" else str(file)
        checker = JwtChecker(JwtOptions(ISSUER, AUDIENCE, source), clock=clock)
        token = await checker.identify(signed())
        publish_keys(None)
        found = []
        for seconds in (301, 3298, 2):
            clock.time += seconds
            logged = len(caplog.records)
            checker.refresh()
            await soon(lambda logged=logged: len(caplog.records) > logged)  # type: ignore[misc]
            found.append(await outcome(checker.identify(signed())))
        # Streams end too.
        with pytest.raises(RpcError, match="cannot read the keys"):
            checker.check(token.token)
        publish_keys(keys_of(K1))
        clock.time += 10
        checker.refresh()
        await asyncio.wait_for(soon(lambda: checker._keys.stale_in() > 3500), 5)
        found.append(await outcome(checker.identify(signed())))
        checker.check(token.token)
        return found

    assert run(work()) == ["trainer", "trainer", "UNAVAILABLE KEYS_UNREADABLE", "trainer"]
    messages = [record.getMessage() for record in caplog.records]
    assert "the earlier ones stay in use for 55 more minutes: " in messages[0]
    stale = "cannot be read for 60 minutes; these tokens are rejected"
    assert sum(stale in message for message in messages) == 1
    assert messages[-1] == "the keys of JSON Web Tokens can be read again"


def accepting(source: str) -> ServerOptions:
    return ServerOptions(address=LOOPBACK, jwt=JwtOptions(ISSUER, AUDIENCE, source))


def test_a_changed_file_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(jwt_keys, "FILE_SECONDS", 0.02)
    monkeypatch.setattr(server_module, "CHECK_SECONDS", 0.05)
    file = tmp_path / "jwks.json"
    file.write_bytes(keys_of(K1))
    old, new = bearer(signed(role="reader")), bearer(signed(OTHER_KEY, kid="k2", role="reader"))

    async def work() -> list[grpc.StatusCode]:
        async with (
            serving(tmp_path, accepting(str(file))) as server,
            channel_to(server) as channel,
        ):
            stub = stub_on(channel)

            async def code(metadata: Any) -> grpc.StatusCode:
                return (await failure(stub.Get(GET, metadata=metadata))).code()

            watch = stub.Watch(v1.WatchRequest(), metadata=old)
            await watch.read()
            found = [await code(old), await code(new)]
            # A file that is being written, and then one that is complete.
            file.write_bytes(keys_of(K2)[:100])
            await soon(lambda: any("stay in use" in each.message for each in caplog.records))
            found.append(await code(old))
            other = tmp_path / "other.json"
            other.write_bytes(keys_of(K2))
            other.replace(file)
            ended = await failure(asyncio.wait_for(watch.read(), 5))
            return [*found, ended.code(), await code(old), await code(new)]

    unauthenticated = grpc.StatusCode.UNAUTHENTICATED
    # There is no document, which only an accepted token learns.
    accepted = grpc.StatusCode.NOT_FOUND
    assert run(work()) == [
        *(accepted, unauthenticated, accepted),
        *(unauthenticated, unauthenticated, accepted),
    ]


def test_a_server_without_calls_reads_the_keys_again_and_so_does_one_that_is_told_to(
    tmp_path: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "CHECK_SECONDS", 0.02)

    async def work() -> None:
        async with serving(tmp_path, accepting(issuer.url)) as server:
            # The server reads them again on SIGHUP.
            assert server.has_credentials
            server.reload()
            await asyncio.wait_for(soon(lambda: issuer.requests == 2), 5)
            monkeypatch.setattr(jwt_keys, "MAX_AGE_SECONDS", 0.05)
            await asyncio.wait_for(soon(lambda: issuer.requests >= 4), 5)

    run(work())

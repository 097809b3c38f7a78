"""Who may call what over HTTP: tokens, roles, scopes, certificates and addresses."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import trustme
from web.api.conftest import Guarded
from web.api.connect_client import (
    EXCHANGE,
    FEEDBACK,
    JSON_STREAM,
    error_of,
    framed,
    frames,
    model,
    post,
    publish,
    reason_of,
    stream,
)
from web.http_servers import LOOPBACK, TIMEOUT, http_exchange

from crucible_ir.exchange.client.async_client import AsyncExchangeClient
from crucible_ir.exchange.server.listening import TlsFiles, parse_address
from crucible_ir.exchange.server.options import ServerOptions, ServingError
from crucible_ir.exchange.server.security.authentication import may_call
from crucible_ir.exchange.server.security.tokens import Role, TokenFile
from crucible_ir.exchange.server.services.registration import service_descriptors
from crucible_ir.web.frontend import FrontendOptions

#: The methods, each with whether it has a stream.
METHODS = {
    f"/{service.full_name}/{method.name}": method.client_streaming or method.server_streaming
    for service in service_descriptors()
    for method in service.methods
}


def client_of(guarded: Guarded, token: str | None) -> httpx.Client:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return httpx.Client(base_url=guarded.running.url, headers=headers, timeout=TIMEOUT)


def code_of(client: httpx.Client, method: str) -> str:
    """Call a method, and return the code of its error; empty without one."""
    headers = {"connect-timeout-ms": "150"}
    if not METHODS[method]:
        response = post(client, method, {}, **headers)
        return "" if response.status_code == 200 else str(response.json()["code"])
    response = client.post(method, content=framed(b"{}"), headers=JSON_STREAM | headers)
    *_, (_, end) = frames(response.content)
    return str(httpx.Response(200, content=end).json().get("error", {}).get("code", ""))


@pytest.mark.parametrize("token", [None, "x"])
def test_every_method_without_a_valid_token_is_rejected(
    guarded: Guarded, token: str | None
) -> None:
    with client_of(guarded, token) as client:
        assert {code_of(client, method) for method in METHODS} == {"unauthenticated"}
        response = post(client, f"{EXCHANGE}/Get")
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert reason_of(response.json()) == ("TOKEN_INVALID" if token else "TOKEN_MISSING")


@pytest.mark.parametrize("role", Role)
def test_a_token_allows_exactly_the_methods_of_its_role(guarded: Guarded, role: Role) -> None:
    with client_of(guarded, guarded.tokens[role]) as client:
        for method in METHODS:
            code = code_of(client, method)
            assert (code != "permission_denied") == may_call(role, method), (method, code)
            assert code not in ("unauthenticated", "internal"), method


def test_a_scope_excludes_other_documents(guarded: Guarded) -> None:
    with client_of(guarded, guarded.tokens[Role.PUBLISHER]) as client:
        assert publish(client, "team-b/m")["publisher"] == "the publisher"
    with client_of(guarded, guarded.scoped) as client:
        assert publish(client, "team-a/m")["publisher"] == "team a"
        response = post(client, f"{EXCHANGE}/Publish", {"document": model("team-b/m")})
        assert error_of(response) == (403, "permission_denied")
        response = post(client, f"{EXCHANGE}/Get", {"type": "ModelRef", "id": "team-b/m"})
        assert error_of(response) == (403, "permission_denied")
        listed = post(client, f"{EXCHANGE}/List", {"type": "ModelRef"}).json()["entries"]
        assert [each["record"]["id"] for each in listed] == ["team-a/m"]
        request = {"afterSequence": "0"}
        changes, end = stream(client, f"{EXCHANGE}/Watch", [request], connect_timeout_ms="500")
        assert end["error"]["code"] == "deadline_exceeded"
        ids = [each["change"]["record"]["id"] for each in changes if "change" in each]
        assert ids == ["team-a/m"]


def test_a_rejected_call_does_not_wait_for_its_request(guarded: Guarded) -> None:
    host, port = guarded.running.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), TIMEOUT) as connection:
        head = f"POST {EXCHANGE}/Publish HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        connection.sendall(f"{head}content-length: 4000000\r\n\r\n".encode())
        assert b" 401 " in connection.recv(4096)


def test_a_revoked_token_ends_the_stream(guarded: Guarded) -> None:
    token, text = guarded.file.create("soon revoked", Role.READER)
    body = framed(b"{}")
    with (
        client_of(guarded, text) as client,
        client.stream("POST", f"{EXCHANGE}/Watch", content=body, headers=JSON_STREAM) as response,
    ):
        received = response.iter_raw()
        assert b"heartbeat" in next(received)
        guarded.file.revoke(token.id)
        end = b"".join(received)
    assert b'"unauthenticated"' in end
    assert b"revoked" in end


class Pki:
    """A root, a server certificate that it issued, and files of both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = trustme.CA()
        self.certificate, self.key, self.roots = (
            folder / name for name in ("cert.pem", "key.pem", "ca.pem")
        )
        self.root.cert_pem.write_to_path(str(self.roots))
        self.renew()

    def renew(self) -> None:
        """Write another certificate."""
        issued = self.root.issue_cert("localhost", "127.0.0.1")
        self.key.touch(0o600)
        self.key.write_bytes(issued.private_key_pem.bytes())
        self.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))

    def context(self, client: trustme.LeafCert | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.root.cert_pem.bytes().decode())
        if client is not None:
            client.configure_cert(context)
        return context


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


def test_tls_uses_the_certificates_of_the_server(tmp_path: Path, pki: Pki) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    _, text = tokens.create("trainer", Role.PUBLISHER)
    options = ServerOptions(address=LOOPBACK, tls=TlsFiles(pki.certificate, pki.key), tokens=tokens)
    with http_exchange(tmp_path, options) as running:
        assert running.url.startswith("https://")
        headers = {"authorization": f"Bearer {text}"}
        with httpx.Client(
            base_url=running.url, verify=pki.context(), headers=headers, timeout=TIMEOUT
        ) as client:
            assert publish(client, "m")["publisher"] == "trainer"
        first = served(running.url, pki)
        pki.renew()
        running.run(reloaded(running.server.reload))
        assert served(running.url, pki) != first

        async def privately() -> str:
            # As the console does, in plain text on a socket that others cannot open.
            target = running.server.private_target
            assert target.startswith("unix:")
            async with AsyncExchangeClient(target, token=text) as own:
                return (await own.get("ModelRef", "m")).record.publisher or ""

        assert running.run(privately()) == "trainer"
        folder = Path(running.server.private_target.removeprefix("unix:")).parent
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()


async def reloaded(reload: Callable[[], None]) -> None:
    reload()


def served(url: str, pki: Pki) -> bytes:
    """Return the certificate of a server."""
    host, port = url.removeprefix("https://").split(":")
    with (
        socket.create_connection((host, int(port)), TIMEOUT) as connection,
        pki.context().wrap_socket(connection, server_hostname=host) as wrapped,
    ):
        return wrapped.getpeercert(binary_form=True) or b""


def test_client_certificates_name_the_publisher(tmp_path: Path, pki: Pki) -> None:
    options = ServerOptions(
        address=LOOPBACK,
        tls=TlsFiles(pki.certificate, pki.key, pki.roots),
        certificate_role=Role.PUBLISHER,
    )
    intermediate = pki.root.create_child_ca()
    with http_exchange(tmp_path, options) as running:
        for issuer, name in ((pki.root, "trainer"), (intermediate, "trainer-2")):
            context = pki.context(issuer.issue_cert("t.example", common_name=name))
            with httpx.Client(base_url=running.url, verify=context, timeout=TIMEOUT) as client:
                assert publish(client, name)["publisher"] == name
                response = post(client, f"{EXCHANGE}/Compact", {"afterSequence": "0"})
                assert error_of(response) == (403, "permission_denied")
        with (
            httpx.Client(base_url=running.url, verify=pki.context(), timeout=TIMEOUT) as client,
            pytest.raises(httpx.TransportError),
        ):
            publish(client, "x")


def test_http_for_other_machines_needs_the_same_as_grpc(tmp_path: Path) -> None:
    http = FrontendOptions(parse_address("0.0.0.0:0"))
    options = ServerOptions(address=LOOPBACK)
    with (
        pytest.raises(ServingError, match=r"0\.0\.0\.0:0 is reachable.*--tls-cert.*--tokens"),
        http_exchange(tmp_path, options, http=http),
    ):
        pass
    ServerOptions(address=LOOPBACK, insecure=True).check_reach(http.address)


def test_a_prefix_is_removed_by_the_server_or_by_a_proxy(tmp_path: Path) -> None:
    http = FrontendOptions(LOOPBACK, prefix="/ml/exchange", hosts=("exchange.example",))
    with http_exchange(tmp_path, http=http) as running:
        base = running.url.removesuffix("/ml/exchange")
        with httpx.Client(base_url=base, timeout=TIMEOUT) as client:
            for path in ("/ml/exchange/readyz", "/readyz"):
                assert client.get(path).text == "ready\n"
            assert client.get("/ml/exchangereadyz").status_code == 404
            request = {"type": "ModelRef", "id": "m"}
            response = post(client, f"/ml/exchange{EXCHANGE}/Get", request, host="exchange.example")
            assert error_of(response) == (404, "not_found")
            response = post(client, f"{FEEDBACK}/Summarize", {})
            assert response.status_code == 200

"""TLS: the access that each certificate gives, and errors for invalid files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import trustme
from cryptography import x509
from exchange.servers import (
    GET,
    LOOPBACK,
    bearer,
    failure,
    model,
    reason_of,
    run,
    serving,
    stub_on,
)

from crucible_ir.exchange import v1
from crucible_ir.exchange.certificates import CertificateError, expiries
from crucible_ir.exchange.server.listening import TlsFiles, check_files, expiry_warnings
from crucible_ir.exchange.server.options import ServerOptions
from crucible_ir.exchange.server.security.tokens import Role, TokenFile
from crucible_ir.exchange.server.serving import ExchangeServer


def write_key(certificate: trustme.LeafCert, path: Path) -> None:
    """Write the key of a certificate to a file of its owner."""
    path.touch(0o600)
    path.write_bytes(certificate.private_key_pem.bytes())


class Pki:
    """A root, a server certificate that it issued, and files of both."""

    def __init__(self, folder: Path) -> None:
        self.root = trustme.CA()
        server = self.root.issue_cert("localhost", "127.0.0.1")
        self.certificate = folder / "cert.pem"
        self.key = folder / "key.pem"
        self.roots = folder / "ca.pem"
        for blob in server.cert_chain_pems:
            blob.write_to_path(str(self.certificate), append=True)
        write_key(server, self.key)
        self.root.cert_pem.write_to_path(str(self.roots))

    def files(self, *, mutual: bool = False) -> TlsFiles:
        return TlsFiles(self.certificate, self.key, self.roots if mutual else None)


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


def channel_to(
    server: ExchangeServer, roots: trustme.CA, client: trustme.LeafCert | None = None
) -> Any:
    key = None if client is None else client.private_key_pem.bytes()
    chain = None if client is None else b"".join(b.bytes() for b in client.cert_chain_pems)
    credentials = grpc.ssl_channel_credentials(roots.cert_pem.bytes(), key, chain)
    options = [("grpc.use_local_subchannel_pool", 1)]
    return grpc.aio.secure_channel(str(server.address), credentials, options)


async def end_of_get(channel: Any, metadata: Any = ()) -> Any:
    async with channel:
        return await failure(stub_on(channel).Get(GET, metadata=metadata, timeout=10))


def test_only_clients_that_trust_the_root_connect(tmp_path: Path, pki: Pki) -> None:
    async def work() -> None:
        options = ServerOptions(address=LOOPBACK, tls=pki.files())
        async with serving(tmp_path, options) as server:
            trusting = await end_of_get(channel_to(server, pki.root))
            assert trusting.code() == grpc.StatusCode.NOT_FOUND
            distrusting = await end_of_get(channel_to(server, trustme.CA()))
            assert distrusting.code() == grpc.StatusCode.UNAVAILABLE
            plain = await end_of_get(grpc.aio.insecure_channel(str(server.address)))
            assert plain.code() == grpc.StatusCode.UNAVAILABLE

    run(work())


def test_required_client_certificate_names_the_publisher(tmp_path: Path, pki: Pki) -> None:
    async def work() -> None:
        options = ServerOptions(
            address=LOOPBACK, tls=pki.files(mutual=True), certificate_role=Role.PUBLISHER
        )
        async with serving(tmp_path, options) as server:
            without = await end_of_get(channel_to(server, pki.root))
            assert without.code() == grpc.StatusCode.UNAVAILABLE
            untrusted = trustme.CA().issue_cert("trainer")
            strange = await end_of_get(channel_to(server, pki.root, untrusted))
            assert strange.code() == grpc.StatusCode.UNAVAILABLE
            for certificate, name in (
                (pki.root.issue_cert("trainer.example", common_name="trainer"), "trainer"),
                (pki.root.issue_cert("trainer.example"), "trainer.example"),
            ):
                async with channel_to(server, pki.root, certificate) as channel:
                    request = v1.PublishRequest(document=model(name))
                    response = await stub_on(channel).Publish(request, timeout=10)
                assert response.record.publisher == name

    run(work())


def test_client_certificate_gives_the_configured_role(tmp_path: Path, pki: Pki) -> None:
    async def work() -> None:
        options = ServerOptions(address=LOOPBACK, tls=pki.files(mutual=True))
        async with serving(tmp_path, options) as server:
            certificate = pki.root.issue_cert("trainer")
            async with channel_to(server, pki.root, certificate) as channel:
                request = v1.PublishRequest(document=model("m"))
                error = await failure(stub_on(channel).Publish(request, timeout=10))
                assert error.code() == grpc.StatusCode.PERMISSION_DENIED
                assert reason_of(error) == "ROLE_REQUIRED"
                error = await failure(stub_on(channel).Get(GET, timeout=10))
                assert error.code() == grpc.StatusCode.NOT_FOUND

    run(work())


def test_client_certificate_does_not_replace_a_token(tmp_path: Path, pki: Pki) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    _, text = tokens.create("dashboard", Role.READER)

    async def work() -> None:
        options = ServerOptions(address=LOOPBACK, tls=pki.files(mutual=True), tokens=tokens)
        async with serving(tmp_path, options) as server:
            certificate = pki.root.issue_cert("trainer")
            without = await end_of_get(channel_to(server, pki.root, certificate))
            assert without.code() == grpc.StatusCode.UNAUTHENTICATED
            both = await end_of_get(channel_to(server, pki.root, certificate), bearer(text))
            assert both.code() == grpc.StatusCode.NOT_FOUND
            token_only = await end_of_get(channel_to(server, pki.root), bearer(text))
            assert token_only.code() == grpc.StatusCode.UNAVAILABLE

    run(work())


def test_key_of_another_certificate_is_rejected(tmp_path: Path, pki: Pki) -> None:
    other = tmp_path / "other.pem"
    write_key(pki.root.issue_cert("localhost"), other)
    with pytest.raises(CertificateError, match="key values mismatch"):
        check_files(TlsFiles(pki.certificate, other))


@pytest.mark.parametrize("content", [b"", b"not PEM", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_invalid_certificate_file_is_named(tmp_path: Path, pki: Pki, content: bytes) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_bytes(content)
    broken.chmod(0o600)
    for files in (
        TlsFiles(broken, pki.key),
        TlsFiles(pki.certificate, broken),
        TlsFiles(pki.certificate, pki.key, broken),
    ):
        with pytest.raises(CertificateError, match=r"broken\.pem"):
            check_files(files)


def write_certificate(folder: Path, not_after: datetime) -> TlsFiles:
    issued = trustme.CA(key_type=trustme.KeyType.RSA).issue_cert(
        "127.0.0.1", organization_name="x" * 60, not_after=not_after
    )
    issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "cert.pem"))
    (folder / "cert.pem").chmod(0o600)
    return TlsFiles(folder / "cert.pem", folder / "cert.pem")


NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("remaining", "warning"),
    [
        (timedelta(days=31), None),
        (timedelta(days=30, seconds=1), None),
        (timedelta(days=30), "expires in 30 days, on 2026-07-01 12:00:00Z"),
        (timedelta(days=1, hours=5), "expires in 1 day, on 2026-06-02 17:00:00Z"),
        (timedelta(hours=23), "expires within a day, on 2026-06-02 11:00:00Z"),
        (timedelta(0), "has expired on 2026-06-01 12:00:00Z"),
        (timedelta(days=-400), "has expired on 2025-04-27 12:00:00Z"),
        # From 2050 on, a time has four digits of the year.
        (timedelta(days=10_000), None),
    ],
)
def test_certificate_that_expires_soon_is_a_warning(
    tmp_path: Path, remaining: timedelta, warning: str | None
) -> None:
    not_after = NOW + remaining
    files = write_certificate(tmp_path, not_after)
    [decoded] = x509.load_pem_x509_certificates(Path(files.certificate).read_bytes())
    assert expiries(Path(files.certificate).read_bytes()) == [decoded.not_valid_after_utc]
    assert decoded.not_valid_after_utc == not_after
    expected = [] if warning is None else [f"the certificate {files.certificate} {warning}"]
    assert expiry_warnings(files, NOW) == expected


def test_every_certificate_of_a_chain_counts_but_one_root_suffices(tmp_path: Path) -> None:
    root = trustme.CA()
    child = root.create_child_ca()
    leaf = child.issue_cert("127.0.0.1", not_after=datetime(2026, 6, 20))
    chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
    roots = root.cert_pem.bytes() + chain
    (tmp_path / "chain.pem").write_bytes(b"text before it\n" + chain)
    (tmp_path / "roots.pem").write_bytes(roots)
    expected = [each.not_valid_after_utc for each in x509.load_pem_x509_certificates(roots)]
    assert expiries(roots) == expected
    assert len(expected) == 3
    files = TlsFiles(tmp_path / "chain.pem", tmp_path / "key.pem", tmp_path / "roots.pem")
    [warning] = expiry_warnings(files, NOW)
    assert "chain.pem expires in 18 days" in warning
    assert expiry_warnings(files, max(expected)) == [
        f"the certificate {tmp_path / 'chain.pem'} has expired on 2026-06-20 00:00:00Z",
        f"the certificate {tmp_path / 'roots.pem'} has expired on {max(expected):%Y-%m-%d %X}Z",
    ]


def test_certificate_that_cannot_be_decoded_is_no_warning(tmp_path: Path) -> None:
    path = tmp_path / "cert.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    assert expiry_warnings(TlsFiles(path, path), NOW) == []

"""Certificates of a running server: they follow their files, and calls follow the authorities."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import trustme
from exchange.client.served import Served
from exchange.servers import GET, LOOPBACK, failure, model, reason_of, run, serving, stub_on

from crucible_ir.exchange import v1
from crucible_ir.exchange.certificates import CertificateError
from crucible_ir.exchange.server.listening import TlsFiles
from crucible_ir.exchange.server.options import ServerOptions
from crucible_ir.exchange.server.security.server_certificates import ServerCertificates
from crucible_ir.exchange.server.security.tokens import Role
from crucible_ir.exchange.server.serving import ExchangeServer

#: The most seconds from a change to its effect.
MOST_SECONDS = 2.0


def replace(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace a file at once."""
    new = path.with_suffix(".new")
    new.touch(mode)
    new.chmod(mode)
    new.write_bytes(content)
    os.replace(new, path)


class Pki:
    """The files of a server."""

    def __init__(self, folder: Path) -> None:
        self.root = trustme.CA()
        self.files = TlsFiles(folder / "cert.pem", folder / "key.pem", folder / "ca.pem")
        self.issue(self.root)
        self.trust(self.root)

    def issue(self, root: trustme.CA, mode: int = 0o600) -> None:
        """Replace the certificate of the server."""
        issued = root.issue_cert("localhost", "127.0.0.1")
        replace(Path(self.files.key), issued.private_key_pem.bytes(), mode)
        replace(Path(self.files.certificate), _chain(issued))

    def trust(self, *roots: trustme.CA) -> None:
        """Replace the authorities of clients."""
        content = b"".join(root.cert_pem.bytes() for root in roots)
        replace(Path(str(self.files.client_ca)), content)

    def options(self) -> ServerOptions:
        return ServerOptions(address=LOOPBACK, tls=self.files, certificate_role=Role.PUBLISHER)


def _chain(issued: trustme.LeafCert) -> bytes:
    return b"".join(blob.bytes() for blob in issued.cert_chain_pems)


def channel_to(server: ExchangeServer, root: trustme.CA, client: trustme.LeafCert) -> Any:
    credentials = grpc.ssl_channel_credentials(
        root.cert_pem.bytes(), client.private_key_pem.bytes(), _chain(client)
    )
    options = [("grpc.use_local_subchannel_pool", 1)]
    return grpc.aio.secure_channel(str(server.address), credentials, options)


async def code_of(server: ExchangeServer, root: trustme.CA, client: trustme.LeafCert) -> Any:
    """Return the status of a call on a new connection; the document does not exist."""
    async with channel_to(server, root, client) as channel:
        return (await failure(stub_on(channel).Get(GET, timeout=5))).code()


async def publish_each(stream: Any, number: int) -> None:
    publish = v1.PublishRequest(document=model(f"m{number}"))
    await stream.write(v1.BatchPublishRequest(index=number, publish=publish))
    await stream.read()


async def _read_to_the_end(stream: Any) -> None:
    while True:
        await stream.read()


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


@pytest.mark.parametrize("how", ["watch", "publish"])
def test_streams_and_calls_of_an_expired_certificate_end(
    tmp_path: Path, pki: Pki, how: str
) -> None:
    expiry = (datetime.now(UTC) + timedelta(seconds=3)).replace(microsecond=0)
    client = pki.root.issue_cert("trainer", not_after=expiry)

    async def work() -> float:
        async with (
            serving(tmp_path, pki.options()) as server,
            channel_to(server, pki.root, client) as channel,
        ):
            stub = stub_on(channel)
            if how == "watch":
                stream = stub.Watch(v1.WatchRequest())
                await stream.read()
            else:
                stream = stub.BatchPublish()
                await publish_each(stream, 1)
            error = await failure(stream.read())
            seconds = time.time() - expiry.timestamp()
            unary = await failure(stub.Get(GET))
            for each in (error, unary):
                assert each.code() is grpc.StatusCode.UNAUTHENTICATED
                assert reason_of(each) == "CERTIFICATE_EXPIRED"
            return seconds

    assert 0 <= run(work()) < MOST_SECONDS + 1


def test_streams_and_calls_end_when_the_authority_is_removed(tmp_path: Path, pki: Pki) -> None:
    other = trustme.CA()
    pki.trust(pki.root, other)
    removed = pki.root.create_child_ca().issue_cert("trainer")
    kept = other.create_child_ca().issue_cert("dashboard")

    async def work() -> float:
        async with (
            serving(tmp_path, pki.options()) as server,
            channel_to(server, pki.root, removed) as channel,
            channel_to(server, pki.root, kept) as kept_channel,
        ):
            watch = stub_on(channel).Watch(v1.WatchRequest())
            publishing = stub_on(channel).BatchPublish()
            kept_stream = stub_on(kept_channel).BatchPublish()
            await watch.read()
            for stream in (publishing, kept_stream):
                await publish_each(stream, 1)
            pki.trust(other)
            changed = time.monotonic()
            errors = [
                await failure(publish_each(publishing, 2)),
                await failure(_read_to_the_end(watch)),
                await failure(stub_on(channel).Get(GET)),
            ]
            seconds = time.monotonic() - changed
            for error in errors:
                assert error.code() is grpc.StatusCode.UNAUTHENTICATED
                assert reason_of(error) == "CERTIFICATE_INVALID"
            await publish_each(kept_stream, 3)
            kept_stream.cancel()
            get = v1.GetRequest(type="ModelRef", id="m2")
            missing = await failure(stub_on(kept_channel).Get(get))
            assert missing.code() is grpc.StatusCode.NOT_FOUND
            # A new connection is not accepted at all.
            assert await code_of(server, pki.root, removed) is grpc.StatusCode.UNAVAILABLE
            return seconds

    assert run(work()) < MOST_SECONDS


@pytest.mark.parametrize("signalled", [False, True])
def test_new_connections_get_the_new_certificate(tmp_path: Path, pki: Pki, signalled: bool) -> None:
    client = pki.root.issue_cert("trainer")
    renewed = trustme.CA()

    async def work() -> None:
        async with serving(tmp_path, pki.options()) as server:
            assert await code_of(server, pki.root, client) is grpc.StatusCode.NOT_FOUND
            async with channel_to(server, pki.root, client) as before:
                stream = stub_on(before).BatchPublish()
                await publish_each(stream, 1)
                pki.issue(renewed)
                if signalled:
                    server.reload()
                else:
                    await asyncio.sleep(MOST_SECONDS)
                assert await code_of(server, renewed, client) is grpc.StatusCode.NOT_FOUND
                assert await code_of(server, pki.root, client) is grpc.StatusCode.UNAVAILABLE
                # Connections that exist stay.
                await publish_each(stream, 2)
                stream.cancel()

    run(work())


@pytest.mark.parametrize("harm", ["broken", "mismatched", "readable", "gone"])
def test_certificates_that_cannot_be_used_leave_the_earlier_ones_in_use(
    tmp_path: Path, pki: Pki, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = pki.root.issue_cert("trainer")

    async def work() -> None:
        async with serving(tmp_path, pki.options()) as server:
            if harm == "broken":
                replace(Path(pki.files.certificate), b"not PEM")
            elif harm == "mismatched":
                other = trustme.CA().issue_cert("localhost").private_key_pem.bytes()
                replace(Path(pki.files.key), other)
            elif harm == "readable":
                pki.issue(trustme.CA(), 0o640)
            else:
                Path(pki.files.key).unlink()
            await asyncio.sleep(MOST_SECONDS)
            assert await code_of(server, pki.root, client) is grpc.StatusCode.NOT_FOUND

    run(work())
    [record] = [each for each in caplog.records if "cannot reload" in each.message]
    assert "stay in use" in record.message


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_key_that_others_can_read_is_rejected(pki: Pki, mode: int) -> None:
    Path(pki.files.key).chmod(mode)
    with pytest.raises(CertificateError, match=rf"key\.pem: the mode {mode:04o} .* chmod 600"):
        ServerCertificates(pki.files)


def test_signal_reloads_the_certificates(tmp_path: Path, pki: Pki) -> None:
    served = Served(tmp_path, "--tls-cert", "cert.pem", "--tls-key", "key.pem")
    try:
        assert served.process is not None
        served.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 10
        while "the certificates are reloaded" not in (tmp_path / "server.log").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert served.process.poll() is None
    finally:
        served.stop()

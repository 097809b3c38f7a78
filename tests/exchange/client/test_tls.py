"""Clients and commands use TLS with a real server, and report which certificate is wrong."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from cli.command_line import run
from exchange.client.served import Served, Wire

from crucible_ir import v1
from crucible_ir.exchange import (
    AsyncExchangeClient,
    ExchangeClient,
    ExchangeError,
    Gap,
    RetryPolicy,
    Tls,
    TlsError,
    UnauthenticatedError,
    UnavailableError,
)
from crucible_ir.exchange.client.connection import Connection
from crucible_ir.exchange.client.tls import tls_problem
from crucible_ir.exchange.server.security.tokens import Role, TokenFile

#: A timeout that only a client that retries TLS errors would reach.
LONG = 60.0


class Pki:
    """A root certificate and certificates signed by it, as files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = trustme.CA()
        self.root.cert_pem.write_to_path(str(folder / "ca.pem"))
        trustme.CA().cert_pem.write_to_path(str(folder / "other-ca.pem"))
        self.issue(self.root, "server", "localhost", "127.0.0.1")
        self.issue(self.root, "elsewhere", "elsewhere.example")
        self.issue(self.root, "trainer", "trainer.example", common_name="trainer")
        self.issue(trustme.CA(), "untrusted", "untrusted.example")

    def issue(
        self, root: trustme.CA, name: str, *identities: str, common_name: str | None = None
    ) -> None:
        certificate = root.issue_cert(*identities, common_name=common_name)
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(str(self.folder / f"{name}.pem"), append=True)
        certificate.private_key_pem.write_to_path(str(self.folder / f"{name}.key"))
        (self.folder / f"{name}.key").chmod(0o600)

    def tls(self, ca: str = "ca", name: str | None = None) -> Tls:
        certificate = None if name is None else self.folder / f"{name}.pem"
        key = None if name is None else self.folder / f"{name}.key"
        return Tls.from_files(self.folder / f"{ca}.pem", certificate, key)

    def serving(self, *options: str, name: str = "server") -> Served:
        return Served(
            self.folder, "--tls-cert", f"{name}.pem", "--tls-key", f"{name}.key", *options
        )


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def secure(pki: Pki) -> Iterator[Served]:
    """A server with TLS."""
    served = pki.serving("--store", "tls.db")
    yield served
    served.stop()


@pytest.fixture(scope="module")
def mutual(pki: Pki) -> Iterator[Served]:
    """A server that requires client certificates, whose owners may publish."""
    options = ("--client-ca", "ca.pem", "--certificate-role", "publisher", "--store", "mutual.db")
    served = pki.serving(*options)
    yield served
    served.stop()


@pytest.fixture(scope="module")
def elsewhere(pki: Pki) -> Iterator[Served]:
    """A server with a certificate for another name."""
    served = pki.serving("--store", "elsewhere.db", name="elsewhere")
    yield served
    served.stop()


#: A function that uses a client, given the address and the certificates.
Attempt = Callable[[str, Tls | None], None]


def get_blocking(address: str, tls: Tls | None) -> None:
    with ExchangeClient(address, tls=tls, timeout=LONG) as client:
        list(client.list_documents(v1.ModelRef))


def get_async(address: str, tls: Tls | None) -> None:
    async def work() -> None:
        async with AsyncExchangeClient(address, tls=tls, timeout=LONG) as client:
            async for _ in client.list_documents(v1.ModelRef):
                pass

    asyncio.run(work())


def watch_blocking(address: str, tls: Tls | None) -> None:
    with ExchangeClient(address, tls=tls, timeout=LONG) as client:
        client.watch().close()


def watch_async(address: str, tls: Tls | None) -> None:
    async def work() -> None:
        async with AsyncExchangeClient(address, tls=tls, timeout=LONG) as client, client.watch():
            pass

    asyncio.run(work())


def ingest_blocking(address: str, tls: Tls | None) -> None:
    with ExchangeClient(address, tls=tls, timeout=LONG) as client:
        client.ingest([v1.FeedbackEvent(id=str(uuid.uuid4()))])


def ingest_async(address: str, tls: Tls | None) -> None:
    async def work() -> None:
        async with AsyncExchangeClient(address, tls=tls, timeout=LONG) as client:
            await client.ingest([v1.FeedbackEvent(id=str(uuid.uuid4()))])

    asyncio.run(work())


ATTEMPTS = [get_blocking, get_async, watch_blocking, watch_async, ingest_blocking, ingest_async]


def problem_of(attempt: Attempt, address: str, tls: Tls | None) -> str:
    """Return the problem in the error of an attempt, which must not retry."""
    started = time.monotonic()
    with pytest.raises(TlsError) as caught:
        attempt(address, tls)
    assert time.monotonic() - started < LONG / 3
    prefix = f"cannot connect to {address}: "
    assert str(caught.value).startswith(prefix)
    return str(caught.value).removeprefix(prefix)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_client_that_trusts_the_root_can_connect(
    pki: Pki, secure: Served, attempt: Attempt, host: str
) -> None:
    attempt(f"{host}:{secure.port}", pki.tls())


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_certificate_of_another_root_is_reported(
    pki: Pki, secure: Served, attempt: Attempt
) -> None:
    problem = problem_of(attempt, secure.address, pki.tls("other-ca"))
    assert (
        problem == "the server's certificate is not trusted: unable to get local issuer certificate"
    )


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_certificate_for_another_host_is_reported(
    pki: Pki, elsewhere: Served, attempt: Attempt
) -> None:
    address = f"localhost:{elsewhere.port}"
    problem = problem_of(attempt, address, pki.tls())
    assert problem.startswith("the server's certificate is not trusted: Hostname mismatch")
    assert "'localhost'" in problem


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_client_certificate_that_is_missing_or_untrusted_is_reported(
    pki: Pki, mutual: Served, attempt: Attempt
) -> None:
    problem = problem_of(attempt, mutual.address, pki.tls())
    assert problem == "the server closed the connection: it may require a client certificate"
    problem = problem_of(attempt, mutual.address, pki.tls(name="untrusted"))
    assert problem == "the server closed the connection: it may not trust this client's certificate"


def test_tls_on_one_side_only_is_reported(pki: Pki, secure: Served, shared: Served) -> None:
    problem = problem_of(get_blocking, secure.address, None)
    assert problem == "the server requires TLS, but this connection is plain text"
    problem = problem_of(get_blocking, shared.address, pki.tls())
    assert problem.startswith("the TLS handshake failed: ")


async def test_a_client_certificate_names_the_publisher(pki: Pki, mutual: Served) -> None:
    with ExchangeClient(mutual.address, tls=pki.tls(name="trainer")) as client:
        record = client.publish(v1.ModelRef(id="blocking")).record
        assert record.publisher == "trainer"
    async with AsyncExchangeClient(mutual.address, tls=pki.tls(name="trainer")) as client_:
        assert (await client_.publish(v1.ModelRef(id="async"))).record.publisher == "trainer"
        async with client_.watch(record.sequence) as watch:
            change = await anext(watch)
            assert not isinstance(change, Gap)
            assert change.record.id == "async"


def test_a_token_is_sent_over_tls(pki: Pki) -> None:
    _, text = TokenFile(pki.folder / "tokens.json").create("dashboard", Role.READER)
    served = pki.serving("--tokens", "tokens.json", "--store", "tokens.db")
    try:
        with ExchangeClient(served.address, tls=pki.tls(), token=text) as client:
            assert list(client.list_documents(v1.ModelRef)) == []
        with (
            ExchangeClient(served.address, tls=pki.tls()) as client,
            pytest.raises(UnauthenticatedError),
        ):
            list(client.list_documents(v1.ModelRef))
    finally:
        served.kill()


def test_calls_are_retried_until_a_server_with_tls_starts(pki: Pki) -> None:
    served = pki.serving("--client-ca", "ca.pem", "--store", "late.db")
    served.stop()
    quick = RetryPolicy(first_delay=0.01, longest_delay=0.1)
    starting = threading.Timer(0.5, served.start)
    starting.start()
    try:
        with ExchangeClient(
            served.address, tls=pki.tls(name="trainer"), timeout=LONG, retry=quick
        ) as client:
            assert list(client.list_documents(v1.ModelRef)) == []
    finally:
        starting.join()
        served.kill()


def test_an_unreachable_server_is_not_a_tls_error(pki: Pki, shared: Served) -> None:
    wire = Wire(shared.port)
    wire.close()
    for tls in (None, pki.tls()):
        with (
            ExchangeClient(wire.address, tls=tls, timeout=0.3) as client,
            pytest.raises(UnavailableError),
        ):
            list(client.list_documents(v1.ModelRef))


def test_a_healthy_server_has_no_tls_problem(
    pki: Pki, secure: Served, mutual: Served, shared: Served
) -> None:
    assert tls_problem("127.0.0.1", secure.port, pki.tls()) is None
    assert tls_problem("127.0.0.1", mutual.port, pki.tls(name="trainer")) is None
    assert tls_problem("127.0.0.1", shared.port, None) is None


def test_files_without_certificates_are_named(pki: Pki, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    for content in (b"", b"not PEM", b"-----BEGIN CERTIFICATE-----\nAAAA\n"):
        broken.write_bytes(content)
        with pytest.raises(TlsError, match=r"broken\.pem contains no certificates"):
            Tls.from_files(broken)
        trainer = (pki.folder / "trainer.pem", pki.folder / "trainer.key")
        for pair in ((broken, trainer[1]), (trainer[0], broken)):
            with pytest.raises(TlsError, match=r"broken\.pem"):
                Tls.from_files(pki.folder / "ca.pem", *pair)
    with pytest.raises(TlsError, match="key values mismatch"):
        Tls.from_files(None, pki.folder / "trainer.pem", pki.folder / "untrusted.key")
    with pytest.raises(ExchangeError, match="private key together"):
        Tls.from_files(None, pki.folder / "trainer.pem")
    with pytest.raises(FileNotFoundError):
        Tls.from_files(tmp_path / "missing.pem")


@pytest.mark.parametrize(
    "tls", [Tls(ca=b"not PEM"), Tls(certificate=b"not PEM", key=b"neither is this")]
)
def test_invalid_certificates_in_memory_are_reported(secure: Served, tls: Tls) -> None:
    with pytest.raises(TlsError, match="this client's certificates or key cannot be used"):
        get_blocking(secure.address, tls)


def test_a_key_that_does_not_match_is_reported_as_the_clients_problem(
    pki: Pki, mutual: Served
) -> None:
    trainer, untrusted = pki.tls(name="trainer"), pki.tls(name="untrusted")
    mixed = Tls(trainer.ca, trainer.certificate, untrusted.key)
    with pytest.raises(TlsError, match="this client's certificates or key cannot be used"):
        get_blocking(mutual.address, mixed)
    assert "key values mismatch" in str(tls_problem("127.0.0.1", mutual.port, mixed))


def test_errors_without_a_tls_cause_stay_the_same() -> None:
    unreached = UnavailableError("failed to connect to all addresses", code="UNAVAILABLE")
    assert Connection("10.0.0.7:1,10.0.0.8:1").explained(unreached) is unreached
    other = UnavailableError("the store is unavailable; retry later", code="UNAVAILABLE")
    assert Connection("127.0.0.1:1").explained(other) is other


def options_of(pki: Pki, address: str, ca: str = "ca", name: str | None = None) -> list[str]:
    """Return the options of a command for an address and certificates."""
    options = ["--server", address, "--ca", str(pki.folder / f"{ca}.pem")]
    if name is not None:
        options += ["--certificate", str(pki.folder / f"{name}.pem")]
        options += ["--key", str(pki.folder / f"{name}.key")]
    return options


def test_commands_use_certificates(
    pki: Pki, mutual: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.json").write_text('{"id": "from the command line", "modelId": "m", "version": "1.0.0"}')
    options = options_of(pki, mutual.address, name="trainer")
    published = run("publish", "m.json", *options)
    assert (published.status, published.err) == (0, "")
    listed = run("list", "ModelVersion", "--format", "json", *options)
    assert '"publisher": "trainer"' in listed.out
    rejected = run("compact", "--keep-after", 0, *options)
    assert (rejected.status, rejected.out) == (2, "")
    assert "requires the role admin" in rejected.err


@pytest.mark.parametrize(
    ("server", "ca", "name", "words"),
    [
        (
            "secure",
            "other-ca",
            None,
            "the server's certificate is not trusted: unable to get local issuer",
        ),
        ("elsewhere", "ca", None, "the server's certificate is not trusted: IP address mismatch"),
        ("mutual", "ca", None, "it may require a client certificate"),
        ("mutual", "ca", "untrusted", "it may not trust this client's certificate"),
    ],
)
def test_commands_report_which_certificate_is_wrong(
    pki: Pki,
    request: pytest.FixtureRequest,
    server: str,
    ca: str,
    name: str | None,
    words: str,
) -> None:
    address = request.getfixturevalue(server).address
    result = run("list", "ModelRef", *options_of(pki, address, ca, name))
    assert (result.status, result.out) == (2, "")
    [line] = result.err.splitlines()
    assert line.startswith(f"crucible-ir: cannot connect to {address}: ")
    assert words in line


def test_commands_name_an_unusable_file(pki: Pki, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("not PEM")
    for file, words in ((broken, "contains no certificates"), (tmp_path / "none", "no such file")):
        result = run("list", "ModelRef", "--ca", file)
        assert (result.status, result.out) == (2, "")
        assert str(file) in result.err
        assert words in result.err
    certificate = pki.folder / "trainer.pem"
    alone = run("list", "--certificate", certificate, "--key", pki.folder / "trainer.key")
    assert alone.status == 2
    assert "--certificate and --key require --ca" in alone.err
    without_key = run("list", "--ca", pki.folder / "ca.pem", "--certificate", certificate)
    assert without_key.status == 2
    assert "private key together" in without_key.err

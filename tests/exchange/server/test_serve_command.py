"""``crucible-ir serve``: the process starts, rejects unsafe options, and stops gracefully."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from cli.command_line import run
from exchange.servers import bearer, model

from crucible_ir.exchange import v1
from crucible_ir.exchange.v1.exchange_service_pb2_grpc import ExchangeServiceStub

#: An environment in which gRPC logs as it does by default.
ENVIRONMENT = {name: value for name, value in os.environ.items() if "GRPC" not in name}

PROGRAM = (sys.executable, "-m", "crucible_ir", "serve", "--listen", "127.0.0.1:0")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def served(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a server as a separate process."""
    process = subprocess.Popen(
        [*PROGRAM, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("listening on "), process.communicate(timeout=10)[1]
        yield process, line.split()[-1]
    finally:
        process.kill()
        process.communicate(timeout=10)


def publish(address: str, id_: str, metadata: Any = ()) -> v1.PublishResponse:
    with grpc.insecure_channel(address) as channel:
        request = v1.PublishRequest(document=model(id_))
        return ExchangeServiceStub(channel).Publish(request, timeout=10, metadata=metadata)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_the_server_gracefully_and_documents_persist(
    number: signal.Signals,
) -> None:
    with served("--log-format", "json") as (process, address):
        assert publish(address, "m").created
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    messages = [json.loads(line)["message"] for line in err.splitlines()]
    assert messages[0] == f"listening on {address}"
    # The end of the call may be logged after the signal.
    assert sorted(messages[1:-1]) == ["call", "stopping"]
    assert messages[-1] == "stopped"
    with served() as (_, address):
        assert publish(address, "m").unchanged


def test_server_requires_the_tokens_that_the_command_creates() -> None:
    token = run("tokens", "create", "trainer", "--role", "publisher").out.strip()
    with served("--tokens", "tokens.json") as (_, address):
        with pytest.raises(grpc.RpcError) as caught:
            publish(address, "m")
        assert isinstance(caught.value, grpc.Call)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert publish(address, "m", bearer(token)).record.publisher == "trainer"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--listen", "0.0.0.0:0"], "--insecure"),
        (["--listen", "nowhere"], "invalid address"),
        (
            ["--listen", "192.0.2.1:7551", "--insecure"],
            "cannot listen on 192.0.2.1:7551: it is not an address of this machine",
        ),
        (
            ["--listen", "exchange.invalid:7551", "--insecure"],
            "cannot listen on exchange.invalid:7551: the name cannot be resolved",
        ),
        (
            ["--listen", "unix:no/such/socket"],
            "cannot listen on unix:no/such/socket: no such file or directory",
        ),
        (["--tls-cert", "cert.pem"], "require each other"),
        (["--client-ca", "ca.pem"], "requires --tls-cert"),
        (["--tls-cert", "cert.pem", "--tls-key", "key.pem"], "cert.pem: no such file"),
        (["--tokens", "tokens.json"], "tokens.json: no such file"),
        (["--max-message-bytes", "0"], "--max-message-bytes"),
        (["--max-validation-bytes", "1000"], "--max-validation-bytes"),
        (["--store", "mysql://x"], "mysql"),
        (["--store", "no/such/folder/x.db"], "no/such/folder"),
        (["--store", "text"], "cannot open the store text: the file is not a SQLite database"),
        (["--store", "folder"], "cannot open the store folder: it is a folder"),
        (["--store", "fifo"], "cannot open the store fifo: it is not a regular file"),
        (["--store", "link"], "cannot open the store link: the folder /no/such does not exist"),
        (
            ["--store", "postgresql://me:secret@127.0.0.1:1/db"],
            "cannot open the store postgresql://me:***@127.0.0.1:1/db: cannot connect",
        ),
    ],
)
def test_startup_error_is_one_line(folder: Path, arguments: list[str], reason: str) -> None:
    (folder / "text").write_text("no database" * 100)
    (folder / "folder").mkdir()
    os.mkfifo(folder / "fifo")
    (folder / "link").symlink_to("/no/such/exchange.db")
    result = serve(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert reason in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert "secret" not in result.stderr
    # Before errors about options, click prints the usage.
    assert result.stderr.count("\n") == 1 or result.stderr.startswith("Usage: ")


def serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a server that does not start."""
    return subprocess.run(
        [*PROGRAM, *arguments], capture_output=True, text=True, timeout=30, env=ENVIRONMENT
    )


def test_port_in_use_is_one_line() -> None:
    with served() as (_, address):
        result = serve("--listen", address, "--store", "other.db")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        f"crucible-ir: cannot listen on {address}: another program listens there; stop it, or"
        " choose another port\n"
    )


def test_expired_certificate_is_a_warning_without_lines_of_grpc(folder: Path) -> None:
    pki = trustme.CA()
    pki.cert_pem.write_to_path("ca.pem")
    expired = pki.issue_cert(
        "127.0.0.1", not_before=datetime(2020, 1, 1), not_after=datetime(2021, 2, 3)
    )
    expired.cert_chain_pems[0].write_to_path("cert.pem")
    expired.private_key_pem.write_to_path("key.pem")
    os.chmod("key.pem", 0o600)
    options = ("--tls-cert", "cert.pem", "--tls-key", "key.pem")
    with served(*options) as (process, address):
        listed = subprocess.run(
            [*PROGRAM[:-3], "list", "--server", address, "--ca", "ca.pem"],
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
        )
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
    assert listed.returncode == 2
    assert listed.stderr == (
        f"crucible-ir: cannot connect to {address}: the server's certificate is not trusted:"
        " certificate has expired\n"
    )
    first, *others = [line.partition(" ")[2] for line in log.splitlines()]
    assert first == "WARNING the certificate cert.pem has expired on 2021-02-03 00:00:00Z"
    assert all(line.startswith("INFO ") for line in others), log


def test_missing_extra_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['grpc'] = None\n"
        "from crucible_ir.cli import main\n"
        "sys.argv = ['crucible-ir', 'serve']\n"
        "main()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr == (
        "crucible-ir: the module grpc is not installed; run: pip install 'crucible-ir[exchange]'\n"
    )


def test_log_level_leaves_lines_out() -> None:
    with served("--log-level", "warning") as (process, address):
        assert publish(address, "m").created
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 0

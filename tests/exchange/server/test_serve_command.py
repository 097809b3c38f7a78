"""``crucible-ir serve``: the process starts, rejects unsafe options, and stops gracefully."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from cli.command_line import run
from exchange.servers import bearer, model

from crucible_ir.exchange import v1
from crucible_ir.exchange.v1.exchange_service_pb2_grpc import ExchangeServiceStub

PROGRAM = (sys.executable, "-m", "crucible_ir", "serve", "--listen", "127.0.0.1:0")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def served(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a server as a separate process."""
    process = subprocess.Popen(
        [*PROGRAM, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
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
        (["--listen", "192.0.2.1:7551", "--insecure"], "cannot listen on 192.0.2.1:7551"),
        (["--tls-cert", "cert.pem"], "require each other"),
        (["--client-ca", "ca.pem"], "requires --tls-cert"),
        (["--tls-cert", "cert.pem", "--tls-key", "key.pem"], "cert.pem: no such file"),
        (["--tokens", "tokens.json"], "tokens.json: no such file"),
        (["--max-message-bytes", "0"], "--max-message-bytes"),
        (["--store", "mysql://x"], "mysql"),
        (["--store", "no/such/folder/x.db"], "no/such/folder"),
    ],
)
def test_startup_error_is_one_line(folder: Path, arguments: list[str], reason: str) -> None:
    environment = os.environ | {"GRPC_VERBOSITY": "NONE"}
    result = subprocess.run(
        [*PROGRAM, *arguments], capture_output=True, text=True, timeout=30, env=environment
    )
    assert result.returncode == 2
    assert result.stdout == ""
    assert reason in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


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

"""A server on this machine that was never started is reported at once, with the remedy."""

from __future__ import annotations

import logging
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli.command_line import run
from exchange.client.served import Served
from exchange.ports import kept_port

from crucible_ir import v1
from crucible_ir.cli.progress import ERASE_LINE
from crucible_ir.exchange import (
    AsyncExchangeClient,
    ExchangeClient,
    RetryPolicy,
    UnauthenticatedError,
    UnavailableError,
)
from crucible_ir.exchange.client.connection import Connection

QUICK = RetryPolicy(first_delay=0.01, longest_delay=0.1)

#: How long a client may take to report that no server listens, in seconds.
AT_ONCE = 1.0

EVENT = v1.FeedbackEvent(id="e", deployment_id="d")
MODEL = v1.ModelRef(id="m")

#: Every kind of call: unary, a page, streams in both directions.
CALLS: dict[str, Callable[[ExchangeClient], object]] = {
    "get": lambda client: client.get("ModelRef", "m"),
    "publish": lambda client: client.publish(MODEL),
    "list": lambda client: list(client.list_documents("ModelRef")),
    "publish_many": lambda client: list(client.publish_many([MODEL])),
    "ingest": lambda client: client.ingest([EVENT]),
    "export": lambda client: list(client.export()),
    "watch": lambda client: client.watch(),
}


def no_server_at(address: str) -> str:
    return f"no exchange at {address}; start one with `crucible-ir serve --listen {address}`"


@pytest.fixture
def nowhere() -> str:
    return f"127.0.0.1:{kept_port()}"


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_every_call_fails_at_once(nowhere: str, call: Callable[[ExchangeClient], object]) -> None:
    with ExchangeClient(nowhere) as client:
        started = time.monotonic()
        with pytest.raises(UnavailableError) as caught:
            call(client)
        assert time.monotonic() - started < AT_ONCE
    assert str(caught.value) == no_server_at(nowhere)
    assert (caught.value.code, caught.value.reason) == ("UNAVAILABLE", "NO_SERVER")


async def test_an_asyncio_client_fails_at_once(nowhere: str) -> None:
    async with AsyncExchangeClient(nowhere) as client:
        started = time.monotonic()
        with pytest.raises(UnavailableError) as caught:
            await client.get("ModelRef", "m")
        assert time.monotonic() - started < AT_ONCE
    assert str(caught.value) == no_server_at(nowhere)


def test_a_missing_socket_is_reported(tmp_path: Path) -> None:
    target = f"unix:{tmp_path / 'socket'}"
    with ExchangeClient(target) as client, pytest.raises(UnavailableError) as caught:
        client.get("ModelRef", "m")
    assert str(caught.value) == no_server_at(target)


@pytest.mark.parametrize(
    ("target", "command"),
    [
        ("127.0.0.1:7551", "crucible-ir serve"),
        ("localhost:7551", "crucible-ir serve"),
        ("127.0.0.1:9", "crucible-ir serve --listen 127.0.0.1:9"),
        ("[::1]:7551", "crucible-ir serve --listen [::1]:7551"),
        ("dns:///localhost:9", "crucible-ir serve --listen localhost:9"),
    ],
)
def test_the_command_starts_a_server_at_the_address(
    target: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crucible_ir.exchange.client.explanations.listens", lambda _: False)
    unreached = UnavailableError("failed to connect to all addresses", code="UNAVAILABLE")
    explained = Connection(target).explained(unreached)
    assert explained.message == f"no exchange at {target}; start one with `{command}`"


@pytest.mark.parametrize("waiting", ["client's timeout", "call's timeout", "wait_for_server"])
def test_a_timeout_of_ones_own_waits_for_the_server(served: Served, waiting: str) -> None:
    served.stop()
    starting = threading.Timer(0.5, served.start)
    starting.start()
    client = ExchangeClient(
        served.address,
        timeout=60 if waiting == "client's timeout" else None,
        wait_for_server=True if waiting == "wait_for_server" else None,
        retry=QUICK,
    )
    with client:
        published = client.publish(MODEL, timeout=60 if waiting == "call's timeout" else None)
    starting.join()
    assert published.created


def test_waiting_ends_with_the_remedy(nowhere: str) -> None:
    with ExchangeClient(nowhere, timeout=0.5, retry=QUICK) as client:
        started = time.monotonic()
        with pytest.raises(UnavailableError) as caught:
            client.get("ModelRef", "m")
        assert time.monotonic() - started > 0.2
    assert str(caught.value) == no_server_at(nowhere)


def test_a_timeout_does_not_wait_if_told_so(nowhere: str) -> None:
    with ExchangeClient(nowhere, timeout=60, wait_for_server=False) as client:
        started = time.monotonic()
        with pytest.raises(UnavailableError):
            client.get("ModelRef", "m")
        assert time.monotonic() - started < AT_ONCE


@pytest.mark.parametrize("first", ["publish", "ingest", "watch"])
def test_a_client_waits_for_a_server_that_it_has_reached(served: Served, first: str) -> None:
    with ExchangeClient(served.address, retry=QUICK) as client:
        CALLS[first](client)
        served.kill()
        starting = threading.Timer(0.5, served.start)
        starting.start()
        client.publish(v1.ModelRef(id="later"))
        starting.join()


def test_a_call_without_a_token_names_the_argument(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "crucible_ir", "tokens", "create", "reader"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    served = Served(tmp_path, "--tokens", "tokens.json")
    try:
        with ExchangeClient(served.address) as client:
            with pytest.raises(UnauthenticatedError) as caught:
                client.get("ModelRef", "m")
            assert str(caught.value) == (
                f"{served.address} requires a token: pass `token` to the client"
            )
            assert caught.value.reason == "TOKEN_MISSING"
        found = run("list", "--server", served.address)
        assert (found.status, found.err) == (
            2,
            f"crucible-ir: {served.address} requires a token: use --token-file or set"
            " CRUCIBLE_IR_TOKEN\n",
        )
        Path(tmp_path / "wrong").write_text("crucible_x_y")
        wrong = run("list", "--server", served.address, "--token-file", tmp_path / "wrong")
        assert wrong.err == (
            f"crucible-ir: {served.address} rejects the token of --token-file"
            f" {tmp_path / 'wrong'}: unknown token\n"
        )
    finally:
        served.stop()


COMMANDS = {
    "list": ("list",),
    "fetch": ("fetch", "ModelRef", "m"),
    "trace": ("trace", "ModelRef", "m"),
    "watch": ("watch",),
    "compact": ("compact", "--keep-after", "0"),
    "publish": ("publish", "m.json"),
    "ingest": ("ingest", "e.jsonl"),
    "export": ("export", "-o", "out.jsonl"),
}


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_a_command_fails_at_once_even_with_a_timeout(
    nowhere: str, arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.json").write_text('{"id": "m"}')
    Path("e.jsonl").write_text('{"id": "e"}\n')
    started = time.monotonic()
    options = ["--type", "ModelRef"] if arguments[0] == "publish" else []
    result = run(*arguments, *options, "--server", nowhere, "--timeout", "60")
    assert time.monotonic() - started < AT_ONCE
    assert (result.status, result.out) == (2, "")
    assert result.err == f"crucible-ir: {no_server_at(nowhere)}\n"


class OnTerminal:
    """A command whose standard error is a terminal."""

    def __init__(self, *arguments: str) -> None:
        self._near, far = pty.openpty()
        command = [sys.executable, "-m", "crucible_ir", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=far)
        os.close(far)

    def wait_for_change(self) -> None:
        """Wait for a line of standard output, which shows that the command reached the server."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline()

    def read_until(self, text: str, seconds: float = 30) -> str:
        """Read until a text appears."""
        found, until = "", time.monotonic() + seconds
        while text not in found and time.monotonic() < until:
            ready, _, _ = select.select([self._near], [], [], 0.1)
            try:
                found += os.read(self._near, 4096).decode() if ready else ""
            except OSError:
                break
        return found

    def close(self) -> str:
        """Interrupt the command, and return the rest of its output."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=30)
        rest = self.read_until("no such text", seconds=1)
        os.close(self._near)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return rest


@pytest.fixture
def watch_on_a_terminal(served: Served) -> Iterator[Callable[..., OnTerminal]]:
    started = []

    def watch(*options: str) -> OnTerminal:
        with ExchangeClient(served.address) as client:
            client.publish(MODEL)
        terminal = OnTerminal("watch", "--after", "0", "--server", served.address, *options)
        started.append(terminal)
        return terminal

    yield watch
    for terminal in started:
        if terminal.process.poll() is None:
            terminal.process.kill()


def test_a_retry_is_visible_on_a_terminal(
    served: Served, watch_on_a_terminal: Callable[..., OnTerminal]
) -> None:
    terminal = watch_on_a_terminal()
    terminal.wait_for_change()
    served.kill()
    printed = terminal.read_until("retrying")
    assert printed.startswith(f"{ERASE_LINE}crucible-ir: ")
    assert "; retrying for up to 600 s" in printed
    # A line for each outage, not for each attempt.
    time.sleep(1.5)
    assert "retrying" not in terminal.close()


def test_a_retry_is_not_visible_with_quiet_or_in_a_pipe(
    served: Served, watch_on_a_terminal: Callable[..., OnTerminal]
) -> None:
    terminal = watch_on_a_terminal("--quiet")
    command = [sys.executable, "-m", "crucible_ir", "watch", "--after", "0"]
    piped = subprocess.Popen(
        [*command, "--server", served.address], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    terminal.wait_for_change()
    assert piped.stdout is not None
    assert piped.stdout.readline()
    served.kill()
    time.sleep(1.5)
    assert "retrying" not in terminal.close()
    piped.send_signal(signal.SIGINT)
    assert b"retrying" not in piped.communicate(timeout=30)[1]


def test_retries_are_logged(nowhere: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "crucible_ir.exchange.client")
    with (
        ExchangeClient(nowhere, timeout=1, retry=QUICK) as client,
        pytest.raises(UnavailableError),
    ):
        client.get("ModelRef", "m")
    levels = [record.levelno for record in caplog.records]
    assert levels[0] == logging.INFO
    assert set(levels[1:]) == {logging.DEBUG}
    assert caplog.messages[0] == f"{no_server_at(nowhere)}; retrying for up to 1 s"

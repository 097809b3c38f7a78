"""`crucible-ir console`."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from web.console.browsing import Exchange

CONSOLE = [sys.executable, "-m", "crucible_ir", "console"]


def test_console_runs_until_it_is_interrupted(exchange: Exchange) -> None:
    options = ["--server", exchange.address, "--http", "127.0.0.1:0", "--http-prefix", "/x"]
    process = subprocess.Popen([*CONSOLE, *options], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        address = line.removeprefix("console at ")
        assert address.startswith("http://127.0.0.1:") and address.endswith("/x/")
        with urllib.request.urlopen(f"{address}index.json", timeout=20) as answer:
            assert answer.headers["content-type"] == "application/json"
        # Its address is taken now.
        again = ["--server", exchange.address, "--http", address.split("/")[2]]
        done = subprocess.run([*CONSOLE, *again], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and "another program listens there" in done.stderr
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--http", "0.0.0.0:0"], "--insecure"),
        (["--http", "0.0.0.0:0", "--insecure"], "--http-host"),
        (["--http", "0.0.0.0:0", "--token-file", "token"], "this machine only"),
        (["--http", "here"], "expected HOST:PORT"),
        (["--http", "unix:socket"], "expected HOST:PORT"),
        (["--http-prefix", "console"], "expected a path such as /exchange"),
    ],
)
def test_bad_address_is_rejected(options: list[str], reason: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    done = subprocess.run(
        [*CONSOLE, *options], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2 and reason in done.stderr and "Traceback" not in done.stderr

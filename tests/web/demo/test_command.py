"""``crucible-ir demo``: serves the example data, and continues it."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crucible_ir.exchange import ExchangeClient
from crucible_ir.exchange.client.errors import UnauthenticatedError

#: The seconds that a started command may take for what a test waits for.
TIMEOUT = 30

COMMAND = (sys.executable, "-m", "crucible_ir", "demo", "--http", "127.0.0.1:0")


@contextmanager
def running(*arguments: str) -> Iterator[str]:
    """Run the command, and yield what it printed until its last line, that with the URL."""
    with subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            yield _printed(process)
            process.send_signal(signal.SIGINT)
            assert process.wait(TIMEOUT) == 0
        finally:
            process.kill()


def _printed(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    end = time.monotonic() + TIMEOUT
    text = b""
    while b"console with example data at " not in text or not text.endswith(b"\n"):
        ready, _, _ = select.select([process.stdout], [], [], max(0.0, end - time.monotonic()))
        assert ready, text
        part = os.read(process.stdout.fileno(), 65536)
        assert part, text
        text += part
    return text.decode()


def test_the_data_is_served_and_continues(folder: Path, tmp_path: Path) -> None:
    data = shutil.copytree(folder, tmp_path / "data")
    with running("--data", str(data)) as text:
        [address] = re.findall(r"^gRPC at (\S+)$", text, re.MULTILINE)
        [url] = re.findall(r" at (http://\S+)$", text, re.MULTILINE)
        with urllib.request.urlopen(f"{url}readyz", timeout=TIMEOUT) as answer:
            assert answer.status == 200
        with ExchangeClient(address, timeout=TIMEOUT) as client:
            count = client.read_metrics("reply-draft-lora-07", limit=1).count
            end = time.monotonic() + TIMEOUT
            while client.read_metrics("reply-draft-lora-07", limit=1).count == count:
                assert time.monotonic() < end
                time.sleep(0.2)


def test_tokens_are_required_and_printed_with_sign_in(folder: Path, tmp_path: Path) -> None:
    data = shutil.copytree(folder, tmp_path / "data")
    with running("--data", str(data), "--sign-in") as text:
        [address] = re.findall(r"^gRPC at (\S+)$", text, re.MULTILINE)
        [token] = re.findall(r"guest \(reader\)\s+(\S+)", text)
        with (
            ExchangeClient(address, timeout=TIMEOUT) as stranger,
            pytest.raises(UnauthenticatedError),
        ):
            stranger.get("ModelRef", "ticket-router")
        with ExchangeClient(address, token=token, timeout=TIMEOUT) as client:
            assert client.get("ModelRef", "ticket-router").record.publisher == "lena"


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "exchange.db").write_bytes(b"mine")
    done = subprocess.run(
        [*COMMAND, "--data", str(tmp_path)], capture_output=True, text=True, timeout=TIMEOUT
    )
    assert done.returncode == 2
    assert "has other files than example data: name an empty folder" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["exchange.db"]

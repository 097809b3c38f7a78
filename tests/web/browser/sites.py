"""Exchanges with the example data and the console, each in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

#: The seconds that a process may take to start, and to end.
TIMEOUT = 90

#: Fills the folder that is its argument.
_FILL = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from crucible_ir.web.demo.filling import prepare
from crucible_ir.web.demo.story import story
tokens = asyncio.run(prepare(Path(sys.argv[1]), lambda: story(datetime.now(UTC))))
for name, token in tokens.items():
    print(name, token)
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A console in a process of its own.

    Attributes:
        url: Its URL, with a slash at the end.
        address: The address of its exchange for gRPC.
        log: The file with everything that the process printed.
    """

    url: str
    address: str
    log: Path


def fill(folder: Path) -> dict[str, str]:
    """Fill a folder in another process, and return the tokens of the callers."""
    done = subprocess.run(
        [sys.executable, "-c", _FILL, str(folder)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT,
    )
    return dict(line.split() for line in done.stdout.splitlines())


@contextmanager
def serving(log: Path, *arguments: str) -> Iterator[Site]:
    """Run a command that serves an exchange with HTTP, on free ports."""
    command = [sys.executable, "-m", "crucible_ir", *arguments]
    command += ["--http", "127.0.0.1:0", "--listen", "127.0.0.1:0"]
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        try:
            yield _started(process, log)
        finally:
            process.terminate()
            try:
                process.wait(TIMEOUT)
            finally:
                process.kill()


def _started(process: subprocess.Popen[bytes], log: Path) -> Site:
    end = time.monotonic() + TIMEOUT
    while process.poll() is None and time.monotonic() < end:
        text = log.read_text()
        url = re.search(r"(?:data at|HTTP on) (http://\S+?)/?$", text, re.MULTILINE)
        address = re.search(r"^(?:gRPC at|listening on) (\S+)$", text, re.MULTILINE)
        if url and address:
            return Site(f"{url[1]}/", address[1], log)
        time.sleep(0.05)
    raise AssertionError(f"the server did not start:\n{log.read_text()}")

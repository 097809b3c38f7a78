"""Ports for servers that are stopped and restarted."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: The port of a server that is started as the pages say.
DEFAULT_PORT = 7551

#: Below the range from which systems choose a port for a program.
KEPT = range(20_000, 32_000)


def kept_port() -> int:
    """Return a free port that the system gives to no other program while its server is down."""
    # Hypothesis seeds the default generator.
    for port in random.SystemRandom().sample(KEPT, len(KEPT)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


@contextmanager
def serving_by_command(command: str, folder: Path) -> Iterator[None]:
    """Run a command that serves on the default port, as a user would.

    Only one test on a machine can do so at a time.
    """
    lock = Path(tempfile.gettempdir()) / f"crucible-ir-port-{DEFAULT_PORT}.lock"
    with open(lock, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _wait_until_free(DEFAULT_PORT)
        server = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=folder,
            env={**os.environ, "PATH": path_with_programs()},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == f"listening on 127.0.0.1:{DEFAULT_PORT}\n"
            yield
        finally:
            server.terminate()
            server.communicate(timeout=60)


def path_with_programs() -> str:
    """Return a PATH that begins with the programs of this environment."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def _wait_until_free(port: int, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < until, f"another program listens on port {port}"
            time.sleep(0.5)
        else:
            return

"""Ports for servers that are stopped and restarted."""

from __future__ import annotations

import random
import socket

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

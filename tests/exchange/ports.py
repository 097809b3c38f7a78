"""Ports for servers that go away and come back."""

from __future__ import annotations

import random
import socket

#: Below what systems choose from when a program asks for any port.
KEPT = range(20_000, 32_000)


def kept_port() -> int:
    """Return a free port that the system gives to nobody while its server is away."""
    # A generator of its own: Hypothesis seeds the common one.
    for port in random.SystemRandom().sample(KEPT, len(KEPT)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")

"""The file descriptors of this process, and how many of them connections of clients may take."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

try:
    import resource
except ImportError:  # Windows has no such limit.
    resource = None  # type: ignore[assignment]

#: The descriptors for everything but connections of clients: the store and its temporary files,
#: certificates and tokens that are read again, logs, metrics.
RESERVED: Final = 200

#: The most connections by default, whatever the number of descriptors: each takes memory as well.
MOST_CONNECTIONS: Final = 10_000


def raise_descriptor_limit() -> None:
    """Raise the soft limit on file descriptors to the hard limit, where the system permits that."""
    if resource is None:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS reports no hard limit, and has one.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def descriptor_limit() -> int | None:
    """Return the limit on file descriptors; ``None`` if there is none."""
    if resource is None:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def default_connections(limit: int | None) -> int:
    """Return the most connections of clients by default.

    >>> default_connections(1024), default_connections(1_048_576), default_connections(None)
    (824, 10000, 10000)
    >>> default_connections(200)
    50

    Args:
        limit: The limit on file descriptors.
    """
    if limit is None:
        return MOST_CONNECTIONS
    # A process with so few descriptors is a test or a mistake; it still answers some clients.
    return min(max(limit - RESERVED, limit // 4), MOST_CONNECTIONS)

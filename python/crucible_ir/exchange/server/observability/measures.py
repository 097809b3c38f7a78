"""Measures: values of the server that are read when somebody asks for the metrics.

A thread of the metrics reads them, so reading one must be cheap, and safe beside the event loop.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, NamedTuple

from crucible_ir.exchange.server.listening import Address

#: The connections of this machine, in IPv4 and IPv6; only Linux has these files.
_TABLES: Final = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))

#: A line of a connection that is established: its local address and port, and the others'.
_ESTABLISHED: Final = rb": [0-9A-F]+:%04X [0-9A-F]+:[0-9A-F]{4} 01 "


class Measure(NamedTuple):
    """One value of the server.

    Attributes:
        name: The name of the metric, without its prefix.
        kind: Whether it only grows.
        summary: What it is, for people.
        read: Returns the value; ``None`` if it is not known.
    """

    name: str
    kind: Literal["gauge", "counter"]
    summary: str
    read: Callable[[], float | None]


def connections_to(address: Address) -> int | None:
    """Return the number of TCP connections to an address of this server; ``None`` if unknown."""
    if address.port is None:
        return None
    find = re.compile(_ESTABLISHED % address.port).search
    count = None
    for table in _TABLES:
        with suppress(OSError), table.open("rb") as lines:
            count = (count or 0) + sum(find(line) is not None for line in lines)
    return count

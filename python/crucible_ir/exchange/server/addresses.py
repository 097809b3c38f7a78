"""The addresses that a server listens on, and which of them only this machine can reach."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from crucible_ir.errors import Error, shorten

#: Where a server listens when nothing else is asked for.
DEFAULT_ADDRESS: Final = "127.0.0.1:50551"

_HOST_AND_PORT: Final = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^\[\]:/]+)):(?P<port>[0-9]{1,5})"
)


class AddressError(Error):
    """An address cannot be listened on."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port, or the path of a socket.

    Attributes:
        host: The name or number of the host, or ``unix:`` and the path of a socket.
        port: The port; 0 for any that is free, ``None`` for a socket.
    """

    host: str
    port: int | None

    def __str__(self) -> str:
        if self.port is None:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether only programs on this machine can reach it."""
        if self.port is None or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(text: str) -> Address:
    """Read an address.

    >>> parse_address("127.0.0.1:50551").is_local, parse_address("[::]:50551").is_local
    (True, False)

    Raises:
        AddressError: It is none.
    """
    if text.startswith("unix:") and len(text) > len("unix:"):
        return Address(text, None)
    match = _HOST_AND_PORT.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        raise AddressError(
            f"{shorten(text)} is no address; expected HOST:PORT such as {DEFAULT_ADDRESS},"
            " [::1]:50551 or unix:PATH"
        )
    return Address(match["six"] or match["host"], int(match["port"]))

"""The addresses of servers in the syntax of gRPC, and whether a program listens at one."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Final

#: The address that a server listens on by default.
DEFAULT_TARGET: Final = "127.0.0.1:7551"

#: The hosts and ports by which a client reaches a server on its default address.
_DEFAULT_ENDPOINTS: Final = (("127.0.0.1", 7551), ("localhost", 7551))

#: One that does not match is not a loopback address.
_ADDRESS: Final = re.compile(
    r"(?:dns:(?:///)?|ipv4:|ipv6:)?(?:\[(?P<bracketed>[^\]]+)\]|(?P<host>[^:/,\[\]]+))"
    r"(?::(?P<port>[0-9]{1,5}))?"
)

#: The port that gRPC uses where an address has none.
_DEFAULT_PORT: Final = 443

#: How long a server on this machine may take to accept a connection, in seconds.
_PROBE_SECONDS: Final = 1.0


def endpoint_of(target: str) -> tuple[str, int] | None:
    """Return the host and the port of an address, or ``None`` if it names no single host."""
    address = _ADDRESS.fullmatch(target)
    if address is None:
        return None
    return address["bracketed"] or address["host"], int(address["port"] or _DEFAULT_PORT)


def is_loopback(target: str) -> bool:
    """Return whether an address is local to this machine, where no other can intercept traffic.

    >>> [is_loopback(target) for target in ("127.0.0.1:7551", "[::1]:1", "localhost", "unix:x")]
    [True, True, True, True]
    >>> [is_loopback(target) for target in ("10.0.0.7:7551", "localhost.example.com:443")]
    [False, False]
    """
    if target.startswith("unix:"):
        return True
    endpoint = endpoint_of(target)
    if endpoint is None:
        return False
    host, _ = endpoint
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listens(target: str) -> bool:
    """Return whether a program listens at an address of this machine."""
    endpoint = endpoint_of(target)
    try:
        if endpoint is not None:
            socket.create_connection(endpoint, timeout=_PROBE_SECONDS).close()
        else:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(_PROBE_SECONDS)
                probe.connect(target.removeprefix("unix:").removeprefix("//"))
    except (ConnectionRefusedError, FileNotFoundError):
        return False
    except OSError:
        # Another error does not prove that no program listens.
        return True
    return True


def serve_command(target: str) -> str:
    """Return the command that starts a server at an address of this machine.

    >>> serve_command("localhost:7551"), serve_command("[::1]:80")
    ('crucible-ir serve', 'crucible-ir serve --listen [::1]:80')
    """
    endpoint = endpoint_of(target)
    if endpoint in _DEFAULT_ENDPOINTS:
        return "crucible-ir serve"
    if endpoint is None:
        return f"crucible-ir serve --listen {target}"
    host, port = endpoint
    return f"crucible-ir serve --listen {f'[{host}]' if ':' in host else host}:{port}"

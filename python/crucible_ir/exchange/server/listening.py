"""Where a server listens, and with which certificates."""

from __future__ import annotations

import errno
import ipaddress
import os
import re
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from crucible_ir.errors import Error, shorten
from crucible_ir.exchange.certificates import (
    OTHERS,
    CertificateError,
    check_pair,
    check_roots,
    expiries,
)

#: The default address of a server.
DEFAULT_ADDRESS: Final = "127.0.0.1:7551"

#: The time before the expiry of a certificate at which a server warns of it.
EXPIRES_SOON: Final = timedelta(days=30)

_HOST_AND_PORT: Final = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^\[\]:/]+)):(?P<port>[0-9]{1,5})"
)


_BIND_PROBLEMS: Final = {
    errno.EADDRINUSE: "another program listens there; stop it, or choose another port",
    errno.EADDRNOTAVAIL: "it is not an address of this machine",
}


class AddressError(Error):
    """An address is invalid."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port, or the path of a socket.

    Attributes:
        host: The name or IP address of the host, or ``unix:`` and the path of a socket.
        port: The port; 0 for any free port, ``None`` for a socket.
    """

    host: str
    port: int | None

    def __str__(self) -> str:
        if self.port is None:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether only programs on this machine can reach the address."""
        if self.port is None or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(text: str) -> Address:
    """Parse an address.

    >>> parse_address("127.0.0.1:7551").is_local, parse_address("[::]:7551").is_local
    (True, False)

    Raises:
        AddressError: The text is not an address.
    """
    if text.startswith("unix:") and len(text) > len("unix:"):
        return Address(text, None)
    match = _HOST_AND_PORT.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        raise AddressError(
            f"invalid address {shorten(text)}: expected HOST:PORT such as {DEFAULT_ADDRESS},"
            " [::1]:7551 or unix:PATH"
        )
    return Address(match["six"] or match["host"], int(match["port"]))


def bind_problem(address: Address) -> str:
    """Return why a server cannot listen on an address; gRPC does not say."""
    try:
        if address.port is None:
            path = address.host.removeprefix("unix:").removeprefix("//")
            with socket.socket(socket.AF_UNIX) as probe:
                probe.bind(path)
            os.unlink(path)
        else:
            [(family, *_), *_] = socket.getaddrinfo(address.host, address.port)
            socket.create_server((address.host, address.port), family=family).close()
    except socket.gaierror:
        return "the name cannot be resolved"
    except OSError as error:
        number = error.errno or 0
        return _BIND_PROBLEMS.get(number) or os.strerror(number).lower()
    return "it is in use, or not an address of this machine"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The TLS files of a server, each in PEM.

    Attributes:
        certificate: The server's certificate, with the intermediate certificates.
        key: The certificate's private key.
        client_ca: The roots of client certificates; ``None`` if clients need no certificate.
    """

    certificate: str | os.PathLike[str]
    key: str | os.PathLike[str]
    client_ca: str | os.PathLike[str] | None = None


def check_files(files: TlsFiles) -> None:
    """Check the TLS files.

    Raises:
        CertificateError: A file is invalid, the key does not belong to the certificate, or other
            users can read it.
        OSError: A file cannot be read.
    """
    mode = os.stat(files.key).st_mode
    if mode & OTHERS:
        raise CertificateError(
            f"{files.key}: the mode {mode & 0o777:04o} gives other users access to the key; run:"
            f" chmod 600 {files.key}"
        )
    check_pair(files.certificate, files.key)
    if files.client_ca is not None:
        check_roots(files.client_ca)


def expiry_warnings(files: TlsFiles, now: datetime) -> list[str]:
    """Return a warning for each file with a certificate that has expired, or soon will.

    Args:
        files: The files, which were checked before.
        now: The current time.
    """
    warnings = []
    for path in (files.certificate, files.client_ca):
        if path is None:
            continue
        found = expiries(Path(path).read_bytes())
        if not found:
            continue
        # A chain is as good as its first certificate to expire; of several roots, one suffices.
        expiry = min(found) if path == files.certificate else max(found)
        if expiry <= now:
            warnings.append(f"the certificate {path} has expired on {expiry:%Y-%m-%d %H:%M:%S}Z")
        elif expiry - now <= EXPIRES_SOON:
            days = (expiry - now).days
            when = f"in {days} day{'' if days == 1 else 's'}" if days else "within a day"
            warnings.append(
                f"the certificate {path} expires {when}, on {expiry:%Y-%m-%d %H:%M:%S}Z"
            )
    return warnings

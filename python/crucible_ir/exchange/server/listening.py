"""Where a server listens, and with which certificates."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc

from crucible_ir.errors import Error, shorten
from crucible_ir.exchange.certificates import check_pair, check_roots

#: The default address of a server.
DEFAULT_ADDRESS: Final = "127.0.0.1:7551"

_HOST_AND_PORT: Final = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^\[\]:/]+)):(?P<port>[0-9]{1,5})"
)


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


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Read the TLS files, and check them.

    Raises:
        CertificateError: A file is invalid, or the key does not belong to the certificate.
        OSError: A file cannot be read.
    """
    certificate, key = Path(files.certificate).read_bytes(), Path(files.key).read_bytes()
    client_ca = None if files.client_ca is None else Path(files.client_ca).read_bytes()
    check_pair(files.certificate, files.key)
    if files.client_ca is not None:
        check_roots(files.client_ca)
    return grpc.ssl_server_credentials(
        [(key, certificate)], root_certificates=client_ca, require_client_auth=client_ca is not None
    )

"""The certificates and keys of a server, checked before it listens."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from crucible_ir.errors import Error


class TlsError(Error):
    """A certificate or key cannot be used."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files of a server's TLS, each in PEM.

    Attributes:
        certificate: The server's certificate, with those between it and its root.
        key: The certificate's private key.
        client_ca: The roots of client certificates; ``None`` when clients need none.
    """

    certificate: str | os.PathLike[str]
    key: str | os.PathLike[str]
    client_ca: str | os.PathLike[str] | None = None


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Read the files.

    Raises:
        TlsError: A file is not what it should be, or the key is not the certificate's.
        OSError: A file cannot be read.
    """
    certificate, key = Path(files.certificate).read_bytes(), Path(files.key).read_bytes()
    client_ca = None if files.client_ca is None else Path(files.client_ca).read_bytes()
    _check(files)
    return grpc.ssl_server_credentials(
        [(key, certificate)], root_certificates=client_ca, require_client_auth=client_ca is not None
    )


def _check(files: TlsFiles) -> None:
    """Load the files once with Python's own TLS, which says what is wrong with them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # An empty password: a key that needs one is refused rather than asked about.
        context.load_cert_chain(files.certificate, files.key, password="")
    except ssl.SSLError as error:
        raise TlsError(
            f"{files.certificate} and {files.key} are no certificate and its key: {_reason(error)}"
        ) from None
    if files.client_ca is None:
        return
    try:
        context.load_verify_locations(files.client_ca)
    except ssl.SSLError as error:
        raise TlsError(f"{files.client_ca} holds no certificates: {_reason(error)}") from None


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).replace("_", " ").lower()

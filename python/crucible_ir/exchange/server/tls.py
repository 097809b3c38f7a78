"""The certificates and keys of a server, checked before it listens."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import grpc

from crucible_ir.exchange.certificates import check_pair, check_roots


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
        CertificateError: A file is not what it should be, or the key is not the certificate's.
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

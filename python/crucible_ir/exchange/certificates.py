"""Files of certificates and keys, checked by Python's own TLS, which says what is wrong."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

from crucible_ir.errors import Error

if TYPE_CHECKING:
    #: The path of a file.
    FileName = str | os.PathLike[str]


class CertificateError(Error):
    """A certificate or key cannot be used."""


def check_pair(certificate: FileName, key: FileName) -> None:
    """Check that a file holds a certificate, in PEM, and another one its key.

    Raises:
        CertificateError: They do not.
        OSError: A file cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # An empty password: a key that needs one is refused rather than asked about.
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        raise CertificateError(
            f"{certificate} and {key} are no certificate and its key: {reason_of(error)}"
        ) from None


def check_roots(roots: FileName) -> None:
    """Check that a file holds certificates, in PEM.

    Raises:
        CertificateError: It holds none.
        OSError: The file cannot be read.
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(roots)
    except ssl.SSLError as error:
        raise CertificateError(f"{roots} holds no certificates: {reason_of(error)}") from None


def reason_of(error: ssl.SSLError) -> str:
    """Say in words what TLS fails for."""
    return (error.reason or str(error)).replace("_", " ").lower()

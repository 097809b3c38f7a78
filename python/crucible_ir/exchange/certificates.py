"""Checks files of certificates and keys with Python's own TLS, which reports the reason."""

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
    """Check that one file contains a certificate in PEM and the other its private key.

    Raises:
        CertificateError: They do not.
        OSError: A file cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # With an empty password, an encrypted key is an error instead of a prompt.
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        raise CertificateError(
            f"{certificate} and {key} are not a certificate and its private key: {reason_of(error)}"
        ) from None


def check_roots(roots: FileName) -> None:
    """Check that a file contains certificates in PEM.

    Raises:
        CertificateError: It contains none.
        OSError: The file cannot be read.
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(roots)
    except ssl.SSLError as error:
        raise CertificateError(f"{roots} contains no certificates: {reason_of(error)}") from None


def reason_of(error: ssl.SSLError) -> str:
    """Return the reason of a TLS error in lower case words."""
    return (error.reason or str(error)).replace("_", " ").lower()

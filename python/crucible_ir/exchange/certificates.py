"""Checks files of certificates and keys with Python's own TLS, which reports the reason."""

from __future__ import annotations

import os
import re
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from crucible_ir.errors import Error

if TYPE_CHECKING:
    #: The path of a file.
    FileName = str | os.PathLike[str]


_PEM: Final = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)

#: The bits of a file's mode that give access to users other than its owner.
OTHERS: Final = 0o077

#: The tags in DER of a certificate's version and of a time with a year of two digits.
_EXPLICIT_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17


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


def expiries(chain: bytes) -> list[datetime]:
    """Return when each certificate of a file in PEM expires, as far as that can be decoded.

    Python's own TLS decodes only the certificates of authorities.
    """
    return [certificate.expiry for certificate in certificates_of(chain)]


class Certificate(NamedTuple):
    """A decoded certificate.

    Attributes:
        issuer: The name of its issuer, in DER.
        subject: Its own name, in DER.
        expiry: The time after which it is invalid.
    """

    issuer: bytes
    subject: bytes
    expiry: datetime


def certificates_of(chain: bytes) -> list[Certificate]:
    """Return the certificates of a file in PEM, as far as they can be decoded."""
    found = []
    for encoded in _PEM.findall(chain.decode("ascii", "ignore")):
        with suppress(ValueError, IndexError):
            found.append(_decoded(ssl.PEM_cert_to_DER_cert(encoded)))
    return found


def _decoded(certificate: bytes) -> Certificate:
    """Decode a certificate in DER (RFC 5280, 4.1)."""
    signed = _content(certificate, 0)
    at = _content(certificate, signed)
    if certificate[at] == _EXPLICIT_VERSION:
        at = _end(certificate, at)
    # The serial number and the algorithm precede the issuer; the validity is two times.
    issuer_at = _end(certificate, _end(certificate, at))
    validity_at = _end(certificate, issuer_at)
    subject_at = _end(certificate, validity_at)
    at = _end(certificate, _content(certificate, validity_at))
    text = certificate[_content(certificate, at) : _end(certificate, at)].decode("ascii")
    # Two digits of a year are those of 1950 to 2049, as in Python for 1969 to 2068.
    format_ = "%y%m%d%H%M%SZ" if certificate[at] == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return Certificate(
        issuer=certificate[issuer_at:validity_at],
        subject=certificate[subject_at : _end(certificate, subject_at)],
        expiry=datetime.strptime(text, format_).replace(tzinfo=UTC),
    )


def _content(der: bytes, at: int) -> int:
    """Return where the content of an element begins."""
    return at + 2 + (der[at + 1] & 0x7F if der[at + 1] & 0x80 else 0)


def _end(der: bytes, at: int) -> int:
    """Return where an element ends."""
    begin = _content(der, at)
    size = int.from_bytes(der[at + 2 : begin]) if der[at + 1] & 0x80 else der[at + 1]
    return begin + size


def reason_of(error: ssl.SSLError) -> str:
    """Return the reason of a TLS error in lower case words."""
    return (error.reason or str(error)).replace("_", " ").lower()

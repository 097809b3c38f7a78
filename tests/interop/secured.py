"""An exchange with TLS that requires a token."""

from __future__ import annotations

from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from exchange.client.served import Served
from interop.programs import run


class Secured(Served):
    """A server with a certificate and one token.

    Attributes:
        roots: The certificates to trust, in PEM.
        token: The token that callers must send.
    """

    def __init__(self, folder: Path) -> None:
        self.roots = write_certificate(folder)
        self.token = run("crucible-ir tokens create trainer", folder).strip()
        tls = ("--tls-cert", "cert.pem", "--tls-key", "key.pem")
        super().__init__(folder, *tls, "--tokens", "tokens.json")


def write_certificate(folder: Path) -> bytes:
    """Write cert.pem and key.pem of this machine; return the certificates to trust, in PEM."""
    root = trustme.CA()
    certificate = root.issue_cert("127.0.0.1", "localhost")
    issued = certificate.cert_chain_pems[0].bytes()
    (folder / "cert.pem").write_bytes(_as_by_authorities(issued, root.private_key_pem.bytes()))
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    (folder / "key.pem").chmod(0o600)
    return root.cert_pem.bytes()


def _as_by_authorities(certificate: bytes, key: bytes) -> bytes:
    """Return a certificate of trustme, signed again, without the mark that its names are critical.

    No public authority sets it, and Erlang rejects it.
    """
    signing = load_pem_private_key(key, None)
    assert isinstance(signing, ec.EllipticCurvePrivateKey)
    old = x509.load_pem_x509_certificate(certificate)
    new = (
        x509.CertificateBuilder()
        .issuer_name(old.issuer)
        .subject_name(old.subject)
        .public_key(old.public_key())
        .serial_number(old.serial_number)
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(old.not_valid_after_utc)
    )
    for each in old.extensions:
        is_names = isinstance(each.value, x509.SubjectAlternativeName)
        new = new.add_extension(each.value, each.critical and not is_names)
    return new.sign(signing, SHA256()).public_bytes(Encoding.PEM)

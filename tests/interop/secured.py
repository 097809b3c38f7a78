"""An exchange with TLS that requires a token."""

from __future__ import annotations

from pathlib import Path

import trustme
from exchange.client.served import Served
from interop.programs import run


class Secured(Served):
    """A server with a certificate and one token.

    Attributes:
        roots: The certificates to trust, in PEM.
        token: The token that callers must send.
    """

    def __init__(self, folder: Path) -> None:
        root = trustme.CA()
        certificate = root.issue_cert("127.0.0.1")
        certificate.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
        certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
        (folder / "key.pem").chmod(0o600)
        self.roots = root.cert_pem.bytes()
        self.token = run("crucible-ir tokens create trainer", folder).strip()
        tls = ("--tls-cert", "cert.pem", "--tls-key", "key.pem")
        super().__init__(folder, *tls, "--tokens", "tokens.json")

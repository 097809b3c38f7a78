"""The certificates of a server, which are read again when their files change."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc

from crucible_ir.exchange.certificates import Certificate, CertificateError, certificates_of
from crucible_ir.exchange.server.listening import TlsFiles, check_files, expiry_warnings
from crucible_ir.exchange.server.rpc.errors import RpcError, error_info

if TYPE_CHECKING:
    from crucible_ir.exchange.server.rpc.call_hooks import Context

_log: Final = logging.getLogger(__name__)

#: The most client certificates that are remembered.
_MOST_REMEMBERED: Final = 10_000


class ServerCertificates:
    """The TLS files of a server, and the checks of the certificates of its clients.

    A connection presents its certificate once, when it opens. It may outlive the certificate, and
    the authority that issued it, so calls check both again.

    Args:
        files: The files.
        now: Returns the current time.
        on_reload: Called when other certificates are in use.

    Raises:
        CertificateError: The files cannot be used.
        OSError: A file cannot be read.
    """

    def __init__(
        self,
        files: TlsFiles,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_reload: Callable[[], None] = lambda: None,
    ) -> None:
        self._files = files
        self._on_reload = on_reload
        self._now = now
        # The certificates of clients that were checked, by what they presented.
        self._checked: dict[bytes, Certificate] = {}
        self._stamp = self._stamps()
        self._configuration = self._read()
        # Whether gRPC has the configuration already.
        self._is_in_use = True

    def credentials(self) -> grpc.ServerCredentials:
        """Return credentials that follow the files."""
        # The stubs do not know that None stands for no change.
        changed: Any = self._changed
        return grpc.dynamic_ssl_server_credentials(
            self._configuration,
            changed,
            require_client_authentication=self._files.client_ca is not None,
        )

    def refresh(self) -> None:
        """Read the files again if one of them changed."""
        stamp = self._stamps()
        if stamp != self._stamp:
            self._stamp = stamp
            self.reload()

    def reload(self) -> None:
        """Read the files again. If they cannot be used, the earlier certificates stay in use."""
        try:
            self._configuration = self._read()
        except (OSError, CertificateError) as error:
            _log.error("cannot reload the certificates; the earlier ones stay in use: %s", error)
            return
        self._is_in_use = False
        self._on_reload()
        _log.info("the certificates are reloaded")
        for warning in expiry_warnings(self._files, self._now()):
            _log.warning(warning)

    def check(self, context: Context) -> None:
        """Check the certificate of a call's client again.

        Raises:
            RpcError: It has expired, or none of the authorities in the file issued it.
        """
        presented = context.auth_context()
        leaf = b"".join(map(bytes, presented.get("x509_pem_cert", ())))
        certificate = self._checked.get(leaf)
        if certificate is None:
            others = b"".join(map(bytes, presented.get("x509_pem_cert_chain", ())))
            certificate = self._trusted(leaf, others)
            if len(self._checked) >= _MOST_REMEMBERED:
                self._checked.clear()
            self._checked[leaf] = certificate
        if self._now() > certificate.expiry:
            raise _unauthenticated("CERTIFICATE_EXPIRED", "the client certificate has expired")

    def _trusted(self, leaf: bytes, others: bytes) -> Certificate:
        """Return a certificate whose issuers lead to an authority.

        TLS has verified the signatures. The names tell whether an authority was removed since.
        """
        known = {certificate.subject: certificate for certificate in certificates_of(others)}
        found = certificate = next(iter(certificates_of(leaf)), None)
        while found is not None and found.issuer not in self._roots:
            found = known.pop(found.issuer, None)
        if found is None or certificate is None:
            raise _unauthenticated(
                "CERTIFICATE_INVALID", "the server no longer trusts the client certificate"
            )
        return certificate

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return the configuration for a new connection if it changed; gRPC calls it."""
        if self._is_in_use:
            return None
        self._is_in_use = True
        return self._configuration

    def _read(self) -> grpc.ServerCertificateConfiguration:
        files = self._files
        chain, key = Path(files.certificate).read_bytes(), Path(files.key).read_bytes()
        roots = None if files.client_ca is None else Path(files.client_ca).read_bytes()
        check_files(files)
        self._roots = {certificate.subject for certificate in certificates_of(roots or b"")}
        self._checked.clear()
        return grpc.ssl_server_certificate_configuration([(key, chain)], root_certificates=roots)

    def _stamps(self) -> list[tuple[int, ...] | None]:
        """Return a value that changes whenever one of the files does."""
        paths = (self._files.certificate, self._files.key, self._files.client_ca)
        return [_stamp(path) for path in paths if path is not None]


def _stamp(path: str | os.PathLike[str]) -> tuple[int, ...] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    # A change of the mode may make a key usable.
    return status.st_ino, status.st_mtime_ns, status.st_size, status.st_mode


def _unauthenticated(reason: str, description: str) -> RpcError:
    return RpcError(grpc.StatusCode.UNAUTHENTICATED, description, [error_info(reason)])

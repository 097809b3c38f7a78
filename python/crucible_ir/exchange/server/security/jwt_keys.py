"""The public keys that JSON Web Tokens are checked with, from a file or a URL."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any, Final

from crucible_ir.errors import Error, shorten

#: The least time between two requests for keys, and the most age of keys from a URL, in seconds.
RETRY_SECONDS: Final = 10.0
MAX_AGE_SECONDS: Final = 300.0

#: The least time between two attempts to read a file, in seconds.
FILE_SECONDS: Final = 0.5

#: The limits on a response with keys: its size, and the time for each step and for all of it.
_MAX_BYTES: Final = 256 * 1024
_STEP_SECONDS: Final = 5.0
_TOTAL_SECONDS: Final = 15.0

#: The types of asymmetric keys; others, which could be secrets, are left out.
_KEY_TYPES: Final = frozenset({"RSA", "EC", "OKP"})


class JwtKeysError(Error):
    """The keys cannot be read or used."""


def unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; reject one with a duplicate key."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


class JwtKeys:
    """The keys of a JWKS document, which may change at any time.

    Args:
        source: A file, or a URL, which must be HTTPS unless it is on this machine.

    Raises:
        JwtKeysError: The keys cannot be read or used.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self._is_url = source.startswith(("https://", "http://"))
        if source.startswith("http://") and not _is_local(source):
            raise JwtKeysError(f"{source}: keys from other machines require https")
        self._stamp = self._file_stamp()
        self._tried = time.monotonic()
        self._keys = _keys_of(self._content(), source)
        #: Changes whenever the keys do.
        self.generation = 0

    def find(self, kid: str | None) -> Any:
        """Return the key with an id, or the only key if there is no id; ``None`` if not found."""
        if kid is None:
            return next(iter(self._keys.values()))[1] if len(self._keys) == 1 else None
        found = self._keys.get(kid)
        return None if found is None else found[1]

    def is_due(self, *, unknown: bool = False) -> bool:
        """Return whether `reload` may find other keys.

        Args:
            unknown: Whether a token names a key that is not among them.
        """
        if not self._is_url:
            since = time.monotonic() - self._tried
            return since >= FILE_SECONDS and self._file_stamp() != self._stamp
        return time.monotonic() - self._tried >= (RETRY_SECONDS if unknown else MAX_AGE_SECONDS)

    def reload(self) -> bool:
        """Read the keys again, which may take some seconds, and return whether they have changed.

        Raises:
            JwtKeysError: The keys cannot be read or used; the earlier ones stay.
        """
        self._tried = time.monotonic()
        stamp = self._file_stamp()
        keys = _keys_of(self._content(), self.source)
        self._stamp = stamp
        before = {kid: digest for kid, (digest, _) in self._keys.items()}
        if {kid: digest for kid, (digest, _) in keys.items()} == before:
            return False
        self._keys = keys
        self.generation += 1
        return True

    def _file_stamp(self) -> tuple[int, int, int] | None:
        if self._is_url:
            return None
        try:
            status = Path(self.source).stat()
        except OSError as error:
            raise JwtKeysError(f"{self.source}: {error.strerror}") from None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _content(self) -> bytes:
        try:
            if not self._is_url:
                with open(self.source, "rb") as file:
                    return file.read(_MAX_BYTES + 1)
            return _fetched(self.source)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
            raise JwtKeysError(f"{self.source}: the keys cannot be read: {reason}") from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect, which might lead to a connection without TLS."""

    def redirect_request(self, *arguments: Any) -> None:
        return None


def _fetched(url: str) -> bytes:
    opener = urllib.request.build_opener(_NoRedirects)
    deadline = time.monotonic() + _TOTAL_SECONDS
    content = b""
    with opener.open(url, timeout=_STEP_SECONDS) as response:
        while len(content) <= _MAX_BYTES and (part := response.read1(16384)):
            content += part
            if time.monotonic() > deadline:
                raise TimeoutError("the response takes too long")
    return content


def _is_local(url: str) -> bool:
    host = urllib.parse.urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _keys_of(content: bytes, source: str) -> dict[str, tuple[bytes, Any]]:
    """Return the usable keys by their ids, each with a digest."""
    from joserfc.errors import JoseError
    from joserfc.jwk import JWKRegistry

    if len(content) > _MAX_BYTES:
        raise JwtKeysError(f"{source}: more than {_MAX_BYTES} bytes")
    found: dict[str, tuple[bytes, Any]] = {}
    try:
        for fields in json.loads(content, object_pairs_hook=unique_pairs)["keys"]:
            if fields.get("kty") not in _KEY_TYPES or fields.get("use", "sig") != "sig":
                continue
            kid = fields.get("kid", "")
            if not isinstance(kid, str) or kid in found:
                raise ValueError(f"the key id {shorten(str(kid))} is not unique")
            # The library would only warn.
            if fields["kty"] == "RSA" and len(urlsafe_b64decode(fields["n"] + "==")) < 256:
                raise ValueError(f"the key {shorten(kid)} has less than 2048 bits")
            key = JWKRegistry.import_key(fields)
            digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).digest()
            found[kid] = digest, key
    except (ValueError, KeyError, TypeError, AttributeError, JoseError) as error:
        raise JwtKeysError(f"{source}: invalid JSON Web Key Set: {error}") from None
    if not found:
        raise JwtKeysError(f"{source}: no public key for signatures")
    return found

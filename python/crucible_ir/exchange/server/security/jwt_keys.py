"""The public keys that JSON Web Tokens are checked with, from a file or a URL."""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from base64 import urlsafe_b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from crucible_ir.errors import Error, shorten

#: The least time between two requests for keys, and the time between two requests if nothing
#: requires one earlier, in seconds.
RETRY_SECONDS: Final = 10.0
MAX_AGE_SECONDS: Final = 300.0

#: How long keys stay in use that cannot be read again, in seconds. A key that the issuer removed
#: after a theft must not work for ever because the URL fails.
STALE_SECONDS: Final = 3600.0

#: The least time between two attempts to read a file, in seconds.
FILE_SECONDS: Final = 0.5

#: The limits on a response with keys: its size, and the time for each step and for all of it.
_MAX_BYTES: Final = 256 * 1024
STEP_SECONDS: Final = 5.0
TOTAL_SECONDS: Final = 15.0

#: The types of asymmetric keys; others, which could be secrets, are left out.
_KEY_TYPES: Final = frozenset({"RSA", "EC", "OKP"})

#: The members of a key that are secret.
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})


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
        clock: Returns a time in seconds that never goes back.

    Raises:
        JwtKeysError: The keys cannot be read or used.
    """

    def __init__(self, source: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.source = source
        self._clock = clock
        self._is_url = source.startswith(("https://", "http://"))
        if source.startswith("http://") and not _is_local(source):
            raise JwtKeysError(f"{source}: keys from other machines require https")
        self._stamp = self._file_stamp()
        # The times of the last attempt, and of the last one that succeeded.
        self._tried = self._confirmed = clock()
        self._has_failed = False
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
        now = self._clock()
        since = now - self._tried
        if self._has_failed and since >= RETRY_SECONDS:
            return True
        if self._is_url:
            return since >= (RETRY_SECONDS if unknown else MAX_AGE_SECONDS)
        if since < FILE_SECONDS:
            return False
        if self._file_stamp() != self._stamp:
            return True
        if not self._has_failed:
            self._confirmed = now
        return False

    def stale_in(self) -> float:
        """Return after how many seconds the keys must not be used, unless they are read again."""
        return self._confirmed + STALE_SECONDS - self._clock()

    def reload(self) -> bool:
        """Read the keys again, which may take some seconds, and return whether they have changed.

        Raises:
            JwtKeysError: The keys cannot be read or used; the earlier ones stay.
        """
        begun = self._tried = self._clock()
        # Until they are read: `is_due` runs on another thread, and confirms the keys of a file.
        self._has_failed = True
        # The stamp is from before the file is read: a change meanwhile gives another one.
        self._stamp = self._file_stamp()
        try:
            keys = _keys_of(self._content(), self.source)
        finally:
            self._tried = self._clock()
        self._has_failed = False
        self._confirmed = begun
        before = {kid: digest for kid, (digest, _) in self._keys.items()}
        if {kid: digest for kid, (digest, _) in keys.items()} == before:
            return False
        self._keys = keys
        self.generation += 1
        return True

    def _file_stamp(self) -> tuple[int, int, int] | None:
        """Return a value that changes whenever a file does; ``None`` if there is no file."""
        if self._is_url:
            return None
        try:
            status = Path(self.source).stat()
        except (OSError, ValueError):
            # The attempt to read the file reports the reason.
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _content(self) -> bytes:
        try:
            if not self._is_url:
                with open(self.source, "rb") as file:
                    return file.read(_MAX_BYTES + 1)
            return _within(TOTAL_SECONDS, lambda: _fetched(self.source))
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise JwtKeysError(
                f"{self.source}: the keys cannot be read: {_reason_of(error)}"
            ) from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect, which might lead to a connection without TLS."""

    def redirect_request(self, *arguments: Any) -> None:
        return None


def _fetched(url: str) -> bytes:
    handlers: list[Any] = [_NoRedirects]
    if _is_local(url):
        # A proxy would be another machine, without TLS.
        handlers.append(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + TOTAL_SECONDS
    content = b""
    with urllib.request.build_opener(*handlers).open(url, timeout=STEP_SECONDS) as response:
        while len(content) <= _MAX_BYTES and (part := response.read1(16384)):
            content += part
            if time.monotonic() > deadline:
                raise TimeoutError
    return content


def _within(seconds: float, fetch: Callable[[], bytes]) -> bytes:
    """Return a result that must be there in time.

    The limit of each step does not bound their number: a server can send its headers in single
    bytes. The thread is then left alone, and does not keep the program from ending.
    """
    found: list[bytes | BaseException] = []

    def run() -> None:
        try:
            found.append(fetch())
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run, name="jwt-keys", daemon=True)
    thread.start()
    thread.join(seconds)
    result = found[0] if found else TimeoutError()
    if isinstance(result, BaseException):
        raise result
    return result


def _reason_of(error: Exception) -> object:
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        redirects = "; redirects are not followed" if 300 <= error.code < 400 else ""
        return f"the response has the status {error.code}{redirects}"
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return "there was no complete response in time"
    if isinstance(reason, http.client.HTTPException):
        return "the response is not valid HTTP"
    return getattr(reason, "strerror", None) or reason


def _is_local(url: str) -> bool:
    try:
        host = urllib.parse.urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _keys_of(content: bytes, source: str) -> dict[str, tuple[bytes, Any]]:
    """Return the usable keys by their ids, each with a digest."""
    from joserfc.errors import JoseError
    from joserfc.jwk import JWKRegistry

    if len(content) > _MAX_BYTES:
        raise JwtKeysError(f"{source}: more than {_MAX_BYTES} bytes")
    found: dict[str, tuple[bytes, Any]] = {}
    try:
        document = json.loads(content, object_pairs_hook=unique_pairs)
        listed = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(listed, list) or not all(isinstance(key, dict) for key in listed):
            raise ValueError('expected an object with a list of objects in "keys"')
        for fields in listed:
            if fields.get("kty") not in _KEY_TYPES or fields.get("use", "sig") != "sig":
                continue
            kid = fields.get("kid", "")
            if not isinstance(kid, str) or kid in found:
                raise ValueError(f"the key id {shorten(str(kid))} is not unique")
            if _PRIVATE & fields.keys():
                raise ValueError(
                    f"the key {shorten(kid)} is private: anyone who can read it can sign tokens"
                )
            # The library would only warn.
            if fields["kty"] == "RSA" and len(urlsafe_b64decode(fields["n"] + "==")) < 256:
                raise ValueError(f"the key {shorten(kid)} has less than 2048 bits")
            key = JWKRegistry.import_key(fields)
            digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).digest()
            found[kid] = digest, key
    except KeyError as error:
        raise JwtKeysError(f"{source}: invalid JSON Web Key Set: a key has no {error}") from None
    except (ValueError, TypeError, RecursionError, JoseError) as error:
        raise JwtKeysError(f"{source}: invalid JSON Web Key Set: {error}") from None
    if not found:
        raise JwtKeysError(f"{source}: no public key for signatures")
    return found

"""Services that speak JSON over HTTP: retries, time limits, a size limit, and clear errors."""

from __future__ import annotations

import base64
import functools
import re
import ssl
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlencode, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from crucible_ir.errors import DecodeError, Error
from crucible_ir.extras import optional_module
from crucible_ir.interchange.mapping.reading import parse_foreign_json
from crucible_ir.serialization.json.parsing import decode_utf8
from crucible_ir.serialization.limits import MAX_BYTES

#: Seconds until a connection stands, and until the next bytes of an answer come.
CONNECT_TIMEOUT: Final = 10.0
READ_TIMEOUT: Final = 60.0

#: How often a request is repeated that may be, and the longest pause before it, in seconds.
RETRIES: Final = 4
MAX_PAUSE: Final = 20

#: The answers after which a request that may be repeated is.
_RETRIED: Final = (429, 502, 503, 504)
_REDIRECTED: Final = (301, 302, 303, 307, 308)

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

#: The keys under which services give the reason of an error.
_REASONS: Final = ("message", "detail", "error", "error_message")
_MAX_REASON: Final = 500


class HttpError(Error, OSError):
    """A service cannot be reached, or answered with an error.

    Attributes:
        status: The status of the answer, or 400 for what cannot be sent; ``None`` if there is no
            answer.
        reason: The error.
        body: The JSON values of the answer, if it is JSON.
    """

    def __init__(self, reason: str, *, status: int | None = None, body: object = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.body = body

    def __str__(self) -> str:
        return self.reason


def is_address(source: str) -> bool:
    """Return whether a source is the address of a service.

    >>> is_address("https://mlflow.example"), is_address("mlruns")
    (True, False)
    """
    return source.lower().startswith(("http://", "https://"))


class JsonService:
    """A service that takes and gives JSON.

    A redirect is followed when something is read; credentials are sent to no other host.

    Args:
        address: Where it is. A user and a password in it are sent as the header ``Authorization``,
            and are in no error.
        headers: Headers of every request; those with credentials go to no other host.
        hint: What to do if the service wants other credentials.
        ca_file: A file of certificates to trust instead of those of the system.
    """

    def __init__(
        self,
        address: str,
        *,
        headers: Mapping[str, str] | None = None,
        hint: str = "",
        ca_file: str | None = None,
    ) -> None:
        try:
            parts = urlsplit(address)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise HttpError(f"invalid address: {error}") from None
        if parts.scheme.lower() not in ("http", "https") or not host:
            raise HttpError("invalid address: expected http://HOST or https://HOST")
        location = f"[{host}]" if ":" in host else host
        self._parts = SplitResult(
            parts.scheme.lower(), f"{location}:{port}" if port else location, parts.path, "", ""
        )
        self._headers = {**_credentials(parts), **(headers or {})}
        self._hint = hint
        self._ca_file = ca_file

    @property
    def address(self) -> str:
        """The address, without credentials."""
        return urlunsplit(self._parts).rstrip("/")

    def get(self, path: str, query: Iterable[tuple[str, object]] = ()) -> Any:
        """Return the answer to a GET request."""
        text = urlencode([(key, str(value)) for key, value in query])
        return self.request("GET", f"{path}?{text}" if text else path, repeatable=True)

    def post(self, path: str, body: object, *, repeatable: bool = False) -> Any:
        """Return the answer to a POST request.

        Args:
            path: The path below the address.
            body: The JSON values to send.
            repeatable: Whether the request may be sent again when its answer is lost.
        """
        return self.request("POST", path, body, repeatable=repeatable)

    def request(
        self, method: str, path: str, body: object = None, *, repeatable: bool = False
    ) -> Any:
        """Send a request, and return the JSON values of the answer; an empty one is an object.

        Raises:
            HttpError: The service cannot be reached, or answered with an error.
        """
        urllib3 = optional_module("urllib3", "interchange")
        url = f"{self.address}/{path.lstrip('/')}"
        try:
            response = self._pool.request(
                method,
                url,
                json=body,
                headers=self._headers if body is None else {**self._headers, **_JSON},
                retries=_retries(urllib3, method, repeatable=repeatable),
                redirect=method == "GET",
                preload_content=False,
            )
            try:
                data: bytes = response.read(MAX_BYTES + 1)
            finally:
                response.close() if response.length_remaining else response.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise HttpError(_reason_of(urllib3, error)) from None
        if len(data) > MAX_BYTES:
            raise HttpError(f"an answer larger than {MAX_BYTES} bytes ({method} {_shown(path)})")
        return self._answer(method, path, response, data)

    def _answer(self, method: str, path: str, response: Any, data: bytes) -> Any:
        status: int = response.status
        value: Any = None
        problem = ""
        try:
            value = parse_foreign_json(decode_utf8(data)) if data.strip() else {}
        except DecodeError as error:
            kind = response.headers.get("Content-Type", "no type")
            problem = f"expected JSON, got {kind.partition(';')[0]} ({error})"
        if status in _REDIRECTED:
            place = response.headers.get("Location", "")
            problem = f"redirected to {without_secrets(place)}; give that address"
        elif status >= 400:
            reason = _reason_in(value) or response.reason or ""
            hint = f"; {self._hint}" if status in (401, 403) and self._hint else ""
            problem = f"{status} {reason}".strip() + hint
        if problem:
            reason = f"{problem} ({method} {_shown(path)})"
            raise HttpError(reason, status=status, body=value)
        return value

    @functools.cached_property
    def _pool(self) -> Any:
        urllib3 = optional_module("urllib3", "interchange")
        options: dict[str, Any] = {
            "timeout": urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT),
        }
        if self._parts.scheme == "https":
            options["ssl_context"] = ssl.create_default_context(cafile=self._ca_file)
        host = self._parts.hostname or ""
        proxy = getproxies().get(self._parts.scheme)
        if proxy and host not in _LOOPBACK and not proxy_bypass(host):
            return urllib3.ProxyManager(proxy, **options)
        return urllib3.PoolManager(**options)


_JSON: Final = {"Content-Type": "application/json"}


def _retries(urllib3: Any, method: str, *, repeatable: bool) -> Any:
    retry = urllib3.Retry
    return retry(
        total=RETRIES + 5,
        connect=RETRIES // 2,
        read=RETRIES if repeatable else 0,
        status=RETRIES if repeatable else 0,
        other=0,
        redirect=5 if method == "GET" else 0,
        # Of another method than these, only failed connections are repeated.
        allowed_methods=None if repeatable else frozenset({"GET"}),
        status_forcelist=_RETRIED if repeatable else (),
        backoff_factor=0.2,
        backoff_max=MAX_PAUSE,
        retry_after_max=MAX_PAUSE,
        raise_on_redirect=method == "GET",
        raise_on_status=False,
    )


def _credentials(parts: SplitResult) -> dict[str, str]:
    """Return the header for the user and the password in an address."""
    if parts.username is None:
        return {}
    return basic_authorization(unquote(parts.username), unquote(parts.password or ""))


def basic_authorization(user: str, password: str) -> dict[str, str]:
    """Return the header of a user and a password.

    >>> basic_authorization("ada", "secret")
    {'Authorization': 'Basic YWRhOnNlY3JldA=='}
    """
    token = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
    return {"Authorization": f"Basic {token}"}


def _shown(path: str) -> str:
    """Return the path of a request without its query."""
    return "/" + path.lstrip("/").partition("?")[0]


def without_secrets(address: str) -> str:
    """Return an address without credentials and query; any other text as it is.

    >>> without_secrets("https://ada:secret@mlflow.example/?key=1")
    'https://mlflow.example/'
    """
    if not is_address(address):
        return address
    try:
        parts = urlsplit(address)
    except ValueError:
        return "an invalid address"
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, place, parts.path, "", parts.fragment))


def _reason_of(urllib3: Any, error: Exception) -> str:
    """Return the reason why there is no answer, in a few words."""
    errors = urllib3.exceptions
    cause = getattr(error, "reason", None) or error
    if isinstance(cause, errors.NameResolutionError):
        return "the host is unknown"
    refused = isinstance(cause, errors.NewConnectionError)
    if isinstance(cause, errors.ConnectTimeoutError) and not refused:
        return f"no connection within {CONNECT_TIMEOUT:g} s"
    if isinstance(cause, errors.ReadTimeoutError):
        return f"no answer within {READ_TIMEOUT:g} s"
    if isinstance(cause, errors.ResponseError):
        return str(cause)
    # "HTTPConnection(...): Failed to establish a new connection: [Errno 111] Connection refused"
    text = " ".join(str(cause).split())
    return re.sub(r"^.*: (\[Errno -?\d+\] )?", "", text) if refused else text


def _reason_in(value: object) -> str:
    """Return the reason that a service gives in the body of an error."""
    for key in _REASONS:
        found = value.get(key) if isinstance(value, dict) else None
        if isinstance(found, dict):
            found = _reason_in(found)
        if isinstance(found, str) and found:
            text = " ".join(found.split())
            return text if len(text) <= _MAX_REASON else f"{text[:_MAX_REASON]}…"
    return ""

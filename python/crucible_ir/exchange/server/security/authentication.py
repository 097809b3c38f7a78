"""Authentication by tokens or client certificates, and the role that each method requires."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import grpc
import grpc.aio

from crucible_ir.exchange.server.rpc import errors
from crucible_ir.exchange.server.rpc.call_context import ANYONE, CALLER, Caller
from crucible_ir.exchange.server.rpc.interceptor import Interceptor
from crucible_ir.exchange.server.security.open_streams import OpenStreams
from crucible_ir.exchange.server.security.tokens import (
    Role,
    Token,
    TokenFile,
    TokensError,
    split_token,
)
from crucible_ir.exchange.server.standard_services import OPEN_METHODS
from crucible_ir.exchange.store.audit_records import Authentication
from crucible_ir.exchange.store.records import EVERYTHING

if TYPE_CHECKING:
    from crucible_ir.exchange.server.rpc.call_hooks import CallHook, Context, Handler
    from crucible_ir.exchange.server.security.open_streams import Check
    from crucible_ir.exchange.server.security.server_certificates import ServerCertificates

# Operators filter by this name, so it does not follow the module.
_log: Final = logging.getLogger("crucible_ir.exchange.server.authentication")

_EXCHANGE: Final = "/crucible_ir.exchange.v1.ExchangeService"
_FEEDBACK: Final = "/crucible_ir.exchange.v1.FeedbackService"
_AUDIT: Final = "/crucible_ir.exchange.v1.AuditService"
_VALIDATION: Final = "/crucible_ir.exchange.v1.ValidationService"

#: The least role that each method requires, of reader, publisher and admin. Calls to a method
#: without a role are always rejected.
METHOD_ROLES: Final[dict[str, Role]] = {
    f"{_EXCHANGE}/Publish": Role.PUBLISHER,
    f"{_EXCHANGE}/BatchPublish": Role.PUBLISHER,
    f"{_EXCHANGE}/Get": Role.READER,
    f"{_EXCHANGE}/List": Role.READER,
    f"{_EXCHANGE}/ListRevisions": Role.READER,
    f"{_EXCHANGE}/Delete": Role.ADMIN,
    f"{_EXCHANGE}/Watch": Role.READER,
    f"{_EXCHANGE}/TraceLineage": Role.READER,
    f"{_EXCHANGE}/Compact": Role.ADMIN,
    f"{_EXCHANGE}/Purge": Role.ADMIN,
    f"{_EXCHANGE}/AppendMetrics": Role.PUBLISHER,
    f"{_EXCHANGE}/ReadMetrics": Role.READER,
    f"{_FEEDBACK}/Ingest": Role.PUBLISHER,
    f"{_FEEDBACK}/Export": Role.READER,
    f"{_FEEDBACK}/Summarize": Role.READER,
    f"{_FEEDBACK}/SetFeedbackConfig": Role.ADMIN,
    f"{_FEEDBACK}/EraseFeedback": Role.ADMIN,
    f"{_FEEDBACK}/GetFeedbackConfig": Role.READER,
    f"{_FEEDBACK}/ListFeedbackConfigs": Role.READER,
    f"{_AUDIT}/ListAuditEntries": Role.ADMIN,
    f"{_VALIDATION}/Validate": Role.READER,
    f"{_VALIDATION}/Convert": Role.READER,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Role.READER,
}

#: The methods of the role ingest, which may call no others.
INGEST_METHODS: Final = frozenset({f"{_FEEDBACK}/Ingest"})

_METADATA_KEY: Final = "authorization"
_SCHEME: Final = "bearer"


class Identity(NamedTuple):
    """An authenticated caller and its role, and its token, if it has one."""

    caller: Caller
    role: Role
    token: Any = None


#: The identity of every caller on a server without authentication.
_ANYONE: Final = Identity(ANYONE, Role.ADMIN)

#: The token of a call with a stream, until the call begins: it is checked again later.
_TOKEN: Final[ContextVar[Any]] = ContextVar("token")


def unauthenticated(reason: str, description: str) -> errors.RpcError:
    """Return the error for a caller without valid credentials."""
    return errors.RpcError(
        grpc.StatusCode.UNAUTHENTICATED, description, [errors.error_info(reason)]
    )


class BearerChecker(Protocol):
    """Checks the bearer tokens of callers."""

    async def identify(self, text: str) -> Identity:
        """Return the identity of a token's owner; raise `RpcError` if it has none."""

    def check(self, accepted: Any) -> None:
        """Check an accepted token again; raise `RpcError` if it is no longer valid."""

    def refresh(self) -> None:
        """Read files again if they changed; raise `RpcError` if that fails."""


class TokenChecker:
    """Checks tokens against a file, which may change at any time.

    Args:
        file: The file of tokens.
        now: Returns the current time.
        on_change: Called with the earlier and the new tokens when the file has changed.

    Raises:
        TokensError: Other users can read the file, or it is not a token file.
        OSError: The file cannot be read.
    """

    def __init__(
        self,
        file: TokenFile,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_change: Callable[[Mapping[str, Token], Mapping[str, Token]], None] | None = None,
    ) -> None:
        self._file = file
        self._on_change = on_change
        self._now = now
        self._stamp = file.stamp()
        self._tokens = file.read()
        # The ids of tokens that were checked before, by a digest with a key of this process.
        self._checked: dict[bytes, str] = {}
        self._key = secrets.token_bytes(32)

    async def identify(self, text: str) -> Identity:
        """Return the identity of a token's owner.

        Raises:
            RpcError: The token is unknown or expired, or the file cannot be read.
        """
        self.refresh()
        token = await self._token(text)
        if token is None:
            raise unauthenticated("TOKEN_INVALID", "unknown token")
        if token.has_expired(self._now()):
            raise unauthenticated("TOKEN_EXPIRED", "the token has expired")
        return Identity(
            Caller(token.name, token.scope, Authentication.TOKEN, token.role is Role.ADMIN),
            token.role,
            token,
        )

    def check(self, accepted: Token) -> None:
        """Check a token again that was accepted before.

        Raises:
            RpcError: The token has expired, or the file does not contain it as it was.
        """
        token = self._tokens.get(accepted.id)
        if token is None or (token.salt, token.hash) != (accepted.salt, accepted.hash):
            raise unauthenticated("TOKEN_INVALID", "the token was revoked")
        if token.has_expired(self._now()):
            raise unauthenticated("TOKEN_EXPIRED", "the token has expired")
        if (token.name, token.role, token.scope) != (accepted.name, accepted.role, accepted.scope):
            raise unauthenticated(
                "TOKEN_CHANGED", "the name, role or scope of the token has changed; call again"
            )

    async def _token(self, text: str) -> Token | None:
        parts = split_token(text)
        if parts is None:
            return None
        id_, secret = parts
        token = self._tokens.get(id_)
        if token is None:
            return None
        digest = hashlib.blake2b(text.encode("ascii"), key=self._key, digest_size=32).digest()
        if self._checked.get(digest) == id_:
            return token
        # The hash takes milliseconds, so it runs on a thread.
        if not await asyncio.to_thread(token.matches, secret):
            return None
        if self._tokens.get(id_) is not token:
            # The file changed in the meantime.
            return None
        self._checked[digest] = id_
        return token

    def refresh(self) -> None:
        """Read the file if it changed.

        Raises:
            RpcError: The file cannot be read.
        """
        try:
            stamp = self._file.stamp()
            if stamp != self._stamp:
                earlier, self._tokens = self._tokens, self._file.read()
                self._checked.clear()
                self._stamp = stamp
                if self._on_change is not None and self._tokens != earlier:
                    self._on_change(earlier, self._tokens)
        except (OSError, TokensError) as error:
            _log.error("cannot read the tokens: %s", error)
            raise errors.unavailable(
                "TOKENS_UNREADABLE", "the server cannot read its token file"
            ) from None


class AuthenticationInterceptor(Interceptor):
    """Accepts a call if its caller is authenticated and has the role that the method requires.

    Args:
        tokens: Checks tokens; ``None`` if the server does not require tokens.
        certificate_role: The role of callers with a client certificate, if the server requires no
            tokens; ``None`` if it does not require certificates either.
        certificates: Checks client certificates, if the server requires them.
    """

    def __init__(
        self,
        tokens: BearerChecker | None,
        certificate_role: Role | None = None,
        certificates: ServerCertificates | None = None,
    ) -> None:
        self._tokens = tokens
        self._certificates = certificates
        self._permits_private = False
        # The certificate is available only when the call has begun.
        self._role_of_certified = certificate_role if tokens is None else None
        is_required = tokens is not None or certificates is not None
        self._streams = OpenStreams(self._refresh) if is_required else None
        # The methods with streams, as soon as one was called.
        self._streaming: set[str] = set()

    def permit_private(self) -> None:
        """Accept tokens without a certificate from a socket that only this process can open."""
        self._permits_private = True

    def _is_private(self, context: Context) -> bool:
        is_certified = "x509_pem_cert" in context.auth_context()
        return self._permits_private and context.peer().startswith("unix:") and not is_certified

    def check_streams(self) -> None:
        """End the streams in progress whose callers are no longer authenticated."""
        if self._streams is not None:
            self._streams.check_all()

    def admit(self, details: grpc.HandlerCallDetails) -> Awaitable[None] | None:
        """Accept a call or reject it."""
        if details.method in OPEN_METHODS or self._role_of_certified is not None:
            return None
        if self._tokens is not None:
            return self._admit(self._tokens, details)
        # Without authentication everyone has every role, and the default caller.
        _check_role(_ANYONE, details.method)
        return None

    async def _admit(self, tokens: BearerChecker, details: grpc.HandlerCallDetails) -> None:
        identity = await tokens.identify(_bearer_token(details))
        _check_role(identity, details.method)
        CALLER.set(identity.caller)
        if details.method in self._streaming and identity.token is not None:
            _TOKEN.set(identity.token)

    def wrap(self, handler: Handler, method: str) -> Handler:
        """Check the callers of streams again while they are open."""
        has_stream = handler.request_streaming or handler.response_streaming
        if self._streams is None or not has_stream or method in OPEN_METHODS:
            return handler
        self._streaming.add(method)
        return self._streams.guard(handler, self._check_of)

    def _refresh(self) -> None:
        if self._tokens is not None:
            self._tokens.refresh()
        if self._certificates is not None:
            self._certificates.refresh()

    def _check_of(self, context: Context) -> Check:
        checks: list[Check] = []
        if self._tokens is not None:
            checks.append(partial(self._tokens.check, _TOKEN.get()))
        if self._certificates is not None and not self._is_private(context):
            checks.append(partial(self._certificates.check, context))

        def check() -> None:
            for each in checks:
                each()

        return check

    def hook(self, handler: Handler, method: str) -> CallHook | None:
        """Check client certificates; callers without tokens are identified by them."""
        role = self._role_of_certified
        certificates = self._certificates
        if method in OPEN_METHODS or (role is None and certificates is None):
            return None

        def identify(request: Any, context: Context) -> Any:
            if role is None:
                if certificates is not None and not self._is_private(context):
                    certificates.check(context)
                return request
            if certificates is not None:
                certificates.check(context)
            caller = Caller(
                certified_name(context),
                EVERYTHING,
                Authentication.CERTIFICATE,
                role is Role.ADMIN,
            )
            identity = Identity(caller, role)
            _check_role(identity, method)
            CALLER.set(identity.caller)
            return request

        return identify


def _bearer_token(details: grpc.HandlerCallDetails) -> str:
    """Return the token in a call's metadata.

    Raises:
        RpcError: There is no token, or not exactly one.
    """
    values = [
        value for key, value in details.invocation_metadata or () if key.lower() == _METADATA_KEY
    ]
    if not values:
        raise unauthenticated(
            "TOKEN_MISSING",
            "a token is required: send the metadata `authorization: Bearer TOKEN`",
        )
    scheme, _, token = values[0].partition(" ") if isinstance(values[0], str) else ("", "", "")
    if len(values) > 1 or scheme.lower() != _SCHEME:
        raise unauthenticated(
            "TOKEN_MISSING", "invalid metadata `authorization`: expected one `Bearer TOKEN`"
        )
    return token.strip()


def certified_name(context: Context) -> str | None:
    """Return the common name of a client certificate, or its first alternative name."""
    certificate = context.auth_context()
    for key in ("x509_common_name", "x509_subject_alternative_name"):
        for value in certificate.get(key, ()):
            if value:
                return bytes(value).decode("utf-8", "replace")
    return None


def may_call(role: Role, method: str) -> bool:
    """Return whether a role may call a method that has one."""
    if role is Role.INGEST:
        return method in INGEST_METHODS
    return role >= METHOD_ROLES[method]


def _check_role(identity: Identity, method: str) -> None:
    """Raise `RpcError` unless the caller has the role that a method requires."""
    needed = METHOD_ROLES.get(method)
    if needed is not None and may_call(identity.role, method):
        return
    if needed is None:
        raise errors.RpcError(
            grpc.StatusCode.PERMISSION_DENIED,
            "this method has no role, so it cannot be called",
            [errors.error_info("METHOD_WITHOUT_ROLE", {"method": method})],
        )
    raise errors.RpcError(
        grpc.StatusCode.PERMISSION_DENIED,
        f"this method requires the role {needed}; the caller has the role {identity.role}",
        [
            errors.error_info(
                "ROLE_REQUIRED",
                {"method": method, "needed": str(needed), "role": str(identity.role)},
            )
        ],
    )

"""Who calls, and whether they may: tokens, client certificates, and the role for each method."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import grpc
import grpc.aio

from crucible_ir.exchange.server.rpc import errors
from crucible_ir.exchange.server.rpc.call_context import ANYONE, CALLER, Caller
from crucible_ir.exchange.server.rpc.interceptor import Interceptor
from crucible_ir.exchange.server.security.tokens import (
    Role,
    Token,
    TokenFile,
    TokensError,
    split_token,
)
from crucible_ir.exchange.server.standard_services import OPEN_METHODS
from crucible_ir.exchange.store.records import EVERYTHING

if TYPE_CHECKING:
    from crucible_ir.exchange.server.rpc.call_hooks import Enter

    Handler = grpc.RpcMethodHandler[Any, Any]
    Context = grpc.aio.ServicerContext[Any, Any]

# Operators filter by this name, so it does not follow the module.
_log: Final = logging.getLogger("crucible_ir.exchange.server.authentication")

_EXCHANGE: Final = "/crucible_ir.exchange.v1.ExchangeService"
_FEEDBACK: Final = "/crucible_ir.exchange.v1.FeedbackService"
_VALIDATION: Final = "/crucible_ir.exchange.v1.ValidationService"

#: The least role that each method needs. A method that is not here is refused to everyone.
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
    f"{_FEEDBACK}/Ingest": Role.PUBLISHER,
    f"{_FEEDBACK}/Export": Role.READER,
    f"{_FEEDBACK}/Summarize": Role.READER,
    f"{_VALIDATION}/Validate": Role.READER,
    f"{_VALIDATION}/Convert": Role.READER,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Role.READER,
}

_METADATA_KEY: Final = "authorization"
_SCHEME: Final = "bearer"


class Identity(NamedTuple):
    """Somebody known, and what they may do."""

    caller: Caller
    role: Role


#: Whoever calls a server that asks nobody who they are.
_ANYBODY: Final = Identity(ANYONE, Role.ADMIN)


def _unauthenticated(reason: str, description: str) -> errors.RpcError:
    """Return the error for a caller who has not shown who they are."""
    return errors.RpcError(
        grpc.StatusCode.UNAUTHENTICATED, description, [errors.error_info(reason)]
    )


class TokenChecker:
    """Checks tokens against a file, which may change at any time.

    Args:
        file: The file of tokens.
        now: The clock.

    Raises:
        TokensError: The file is readable for others, or no file of tokens.
        OSError: The file cannot be read.
    """

    def __init__(
        self, file: TokenFile, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._file = file
        self._now = now
        self._stamp = file.stamp()
        self._tokens = file.read()
        # The ids of tokens that were checked before, by a digest that means nothing elsewhere.
        self._checked: dict[bytes, str] = {}
        self._key = secrets.token_bytes(32)

    async def identify(self, text: str) -> Identity:
        """Return who a token belongs to.

        Raises:
            RpcError: It belongs to nobody, has expired, or cannot be checked.
        """
        self._read_again()
        token = await self._token(text)
        if token is None:
            raise _unauthenticated("TOKEN_INVALID", "the token is not one of this server's")
        if token.has_expired(self._now()):
            raise _unauthenticated("TOKEN_EXPIRED", "the token has expired")
        return Identity(Caller(token.name, token.scope), token.role)

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
        # The hash takes milliseconds, in which other calls go on.
        if not await asyncio.to_thread(token.matches, secret):
            return None
        if self._tokens.get(id_) is not token:
            # The file changed meanwhile.
            return None
        self._checked[digest] = id_
        return token

    def _read_again(self) -> None:
        """Read the file if it changed; when it cannot be read, nobody is let in."""
        try:
            stamp = self._file.stamp()
            if stamp != self._stamp:
                self._tokens = self._file.read()
                self._checked.clear()
                self._stamp = stamp
        except (OSError, TokensError) as error:
            _log.error("the tokens cannot be read: %s", error)
            raise errors.unavailable(
                "TOKENS_UNREADABLE", "the server cannot read its tokens"
            ) from None


class AuthenticationInterceptor(Interceptor):
    """Lets a call through if its caller is known and has the role that its method needs.

    Args:
        tokens: Checks tokens; ``None`` when there are none.
        certificate_role: The role of whoever shows a client certificate, when that is all that is
            asked for; ``None`` when it is not asked for.
    """

    def __init__(self, tokens: TokenChecker | None, certificate_role: Role | None = None) -> None:
        self._tokens = tokens
        # A certificate is known only once the call has begun.
        self._role_of_certified = certificate_role if tokens is None else None

    def admit(self, details: grpc.HandlerCallDetails) -> Awaitable[None] | None:
        """Let a call through, or say why not."""
        if details.method in OPEN_METHODS or self._role_of_certified is not None:
            return None
        if self._tokens is not None:
            return self._admit(self._tokens, details)
        # Whoever calls may do all that anyone may, and is the caller that calls have anyhow.
        _check_role(_ANYBODY, details.method)
        return None

    async def _admit(self, tokens: TokenChecker, details: grpc.HandlerCallDetails) -> None:
        identity = await tokens.identify(_bearer_token(details))
        _check_role(identity, details.method)
        CALLER.set(identity.caller)

    def entry(self, handler: Handler, method: str) -> Enter | None:
        """Take the caller's name from the client certificate, where that is what is asked for."""
        role = self._role_of_certified
        if role is None or method in OPEN_METHODS:
            return None

        def enter(request: Any, context: Context) -> Any:
            identity = Identity(Caller(certified_name(context), EVERYTHING), role)
            _check_role(identity, method)
            CALLER.set(identity.caller)
            return request

        return enter


def _bearer_token(details: grpc.HandlerCallDetails) -> str:
    """Return the token that a call brings.

    Raises:
        RpcError: It brings none, several, or something else.
    """
    values = [
        value for key, value in details.invocation_metadata or () if key.lower() == _METADATA_KEY
    ]
    if not values:
        raise _unauthenticated(
            "TOKEN_MISSING", "a token is needed, in the metadata `authorization: Bearer TOKEN`"
        )
    scheme, _, token = values[0].partition(" ") if isinstance(values[0], str) else ("", "", "")
    if len(values) > 1 or scheme.lower() != _SCHEME:
        raise _unauthenticated(
            "TOKEN_MISSING", "the metadata authorization is not one `Bearer TOKEN`"
        )
    return token.strip()


def certified_name(context: Context) -> str | None:
    """Return the common name of a client certificate, or else its first alternative name."""
    shown = context.auth_context()
    for key in ("x509_common_name", "x509_subject_alternative_name"):
        for value in shown.get(key, ()):
            if value:
                return bytes(value).decode("utf-8", "replace")
    return None


def _check_role(identity: Identity, method: str) -> None:
    """Raise `RpcError` unless a role suffices for a method."""
    needed = METHOD_ROLES.get(method)
    if needed is not None and identity.role >= needed:
        return
    if needed is None:
        raise errors.RpcError(
            grpc.StatusCode.PERMISSION_DENIED,
            "nobody may call this method",
            [errors.error_info("METHOD_WITHOUT_ROLE", {"method": method})],
        )
    raise errors.RpcError(
        grpc.StatusCode.PERMISSION_DENIED,
        f"this needs the role {needed}, and the caller is a {identity.role}",
        [
            errors.error_info(
                "ROLE_REQUIRED",
                {"method": method, "needed": str(needed), "role": str(identity.role)},
            )
        ],
    )

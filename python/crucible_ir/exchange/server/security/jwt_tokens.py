"""JSON Web Tokens: bearer tokens that an issuer signs, beside those of the token file."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from crucible_ir.errors import shorten
from crucible_ir.exchange.server.rpc.call_context import Caller
from crucible_ir.exchange.server.rpc.errors import unavailable
from crucible_ir.exchange.server.security.authentication import (
    Identity,
    TokenChecker,
    unauthenticated,
)
from crucible_ir.exchange.server.security.jwt_keys import (
    STALE_SECONDS,
    JwtKeys,
    JwtKeysError,
    unique_pairs,
)
from crucible_ir.exchange.server.security.tokens import Role, Token
from crucible_ir.exchange.store.audit_records import Authentication
from crucible_ir.exchange.store.records import Scope
from crucible_ir.extras import optional_module

_log: Final = logging.getLogger(__name__)

#: The algorithms that may be allowed, all asymmetric.
ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)

_MAX_TOKEN_BYTES: Final = 8192
_MAX_NAME_BYTES: Final = 512

#: The most tokens whose signatures are remembered as valid.
_MAX_CHECKED: Final = 4096

#: Headers that bring keys or change how the token is read.
_REJECTED_HEADERS: Final = frozenset({"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc"})


@dataclass(frozen=True, slots=True)
class JwtOptions:
    """The JSON Web Tokens that a server accepts.

    Attributes:
        issuer: The value of ``iss``.
        audience: The value of ``aud``, or one of its values.
        keys: The file or the URL of the issuer's JWKS document.
        algorithms: The algorithms of signatures, of `ALGORITHMS`.
        leeway_seconds: The difference between clocks to tolerate.
        name_claim: The claim with the name of the caller.
        role_claim: The claim with the role, which is required.
        types_claim: The claim with the document types of the scope; all if a token has none.
        prefixes_claim: The claim with the id prefixes of the scope; all if a token has none.
    """

    issuer: str
    audience: str
    keys: str
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    leeway_seconds: float = 30.0
    name_claim: str = "sub"
    role_claim: str = "role"
    types_claim: str = "types"
    prefixes_claim: str = "id_prefixes"


@dataclass(frozen=True, slots=True)
class JwtToken:
    """A JSON Web Token that was accepted.

    Attributes:
        caller: The caller.
        role: The caller's role.
        expires: The time of expiry, in seconds of the system's clock, with the leeway.
        begins: The time from which it is valid, with the leeway; minus infinity if it has none.
        generation: The generation of the keys that it was checked with.
        text: The token.
    """

    caller: Caller
    role: Role
    expires: float
    begins: float
    generation: int
    text: str


class _InvalidTokenError(Exception):
    """A token is not acceptable; the message contains nothing of it."""


class JwtChecker:
    """Checks JSON Web Tokens against an issuer's keys.

    Args:
        options: The options.
        on_change: Called when the keys have changed.
        now: Returns the system's time in seconds.
        clock: Returns a time in seconds that never goes back.

    Raises:
        JwtKeysError: The keys cannot be read or used.
        MissingExtraError: The extra is not installed.
    """

    def __init__(
        self,
        options: JwtOptions,
        *,
        on_change: Callable[[], None] | None = None,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._jws = optional_module("joserfc.jws", "jwt")
        self._options = options
        self._on_change = on_change
        self._now = now
        self._keys = JwtKeys(options.keys, clock=clock)
        self._are_stale = False
        self._registry = self._jws.JWSRegistry(
            algorithms=list(options.algorithms), strict_check_header=False
        )
        self._checked: dict[bytes, JwtToken] = {}
        self._reloading: asyncio.Task[None] | None = None

    async def identify(self, text: str) -> Identity:
        """Return the identity of a token's owner.

        Raises:
            RpcError: The token is not acceptable, or the keys cannot be read for too long.
        """
        self.refresh()
        self._check_keys()
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        token = self._checked.get(digest)
        if token is None or token.generation != self._keys.generation:
            try:
                token = await self._verified(text)
            except _InvalidTokenError as error:
                raise unauthenticated("TOKEN_INVALID", str(error)) from None
            self._remember(digest, token)
        self._check_time(token)
        return Identity(token.caller, token.role, token)

    def check(self, accepted: JwtToken) -> None:
        """Check a token again that was accepted before.

        Raises:
            RpcError: The token has expired, its key was removed, or the keys cannot be read for too
                long.
        """
        self._check_time(accepted)
        self._check_keys()
        if accepted.generation == self._keys.generation:
            return
        digest = hashlib.sha256(accepted.text.encode()).digest()
        again = self._checked.get(digest)
        if again is None or again.generation != self._keys.generation:
            try:
                self._remember(digest, self._verify(accepted.text))
            except _InvalidTokenError as error:
                raise unauthenticated("TOKEN_INVALID", str(error)) from None

    def refresh(self) -> None:
        """Begin to read the keys again if they may have changed."""
        if self._keys.is_due():
            self._begin_reload()
        are_stale = self._keys.stale_in() <= 0
        if are_stale and not self._are_stale:
            _log.error(
                "the keys of JSON Web Tokens cannot be read for %.0f minutes; these tokens are"
                " rejected until they can",
                STALE_SECONDS / 60,
            )
        elif self._are_stale and not are_stale:
            _log.info("the keys of JSON Web Tokens can be read again")
        self._are_stale = are_stale

    def reload(self) -> None:
        """Begin to read the keys again."""
        self._begin_reload()

    def _begin_reload(self) -> asyncio.Task[None]:
        if self._reloading is None:
            self._reloading = asyncio.create_task(self._reload())
        return self._reloading

    async def _reload(self) -> None:
        try:
            if await asyncio.to_thread(self._keys.reload):
                _log.info("the keys of JSON Web Tokens have changed")
                if self._on_change is not None:
                    self._on_change()
        except JwtKeysError as error:
            _log.error(
                "cannot read the keys of JSON Web Tokens; the earlier ones stay in use for"
                " %.0f more minutes: %s",
                max(0.0, self._keys.stale_in() / 60),
                error,
            )
        finally:
            self._reloading = None

    def _check_keys(self) -> None:
        if self._keys.stale_in() <= 0:
            raise unavailable(
                "KEYS_UNREADABLE", "the server cannot read the keys of the tokens' issuer"
            )

    async def _verified(self, text: str) -> JwtToken:
        try:
            return self._verify(text)
        except _UnknownKeyError:
            if not self._keys.is_due(unknown=True) and self._reloading is None:
                raise
            await asyncio.shield(self._begin_reload())
            return self._verify(text)

    def _remember(self, digest: bytes, token: JwtToken) -> None:
        if len(self._checked) >= _MAX_CHECKED:
            self._checked.clear()
        self._checked[digest] = token

    def _check_time(self, token: JwtToken) -> None:
        now = self._now()
        if now >= token.expires:
            raise unauthenticated("TOKEN_EXPIRED", "the token has expired")
        if now < token.begins:
            raise unauthenticated("TOKEN_INVALID", "the token is not valid yet")

    def _verify(self, text: str) -> JwtToken:
        if len(text) > _MAX_TOKEN_BYTES or not text.isascii():
            raise _InvalidTokenError("the token is too long, or not ASCII")
        header = _object(text.partition(".")[0], "header")
        rejected = sorted(_REJECTED_HEADERS & header.keys())
        if rejected:
            raise _InvalidTokenError(f"the token's header {rejected[0]} is not accepted")
        if header.get("alg") not in self._options.algorithms:
            raise _InvalidTokenError("the token's algorithm is not accepted")
        kid = header.get("kid")
        key = self._keys.find(kid) if kid is None or isinstance(kid, str) else None
        if key is None:
            raise _UnknownKeyError("the token's key is unknown")
        if key.get("alg") not in (None, header["alg"]):
            raise _InvalidTokenError("the token's key is for another algorithm")
        try:
            self._jws.deserialize_compact(text, key, registry=self._registry)
        except Exception:
            # The library raises errors of several kinds for what is malformed.
            raise _InvalidTokenError("the token's signature is not valid") from None
        return self._token(text, _object(text.split(".")[1], "payload"))

    def _token(self, text: str, claims: dict[str, Any]) -> JwtToken:
        options = self._options
        if claims.get("iss") != options.issuer:
            raise _InvalidTokenError("the token is from another issuer")
        audience = claims.get("aud")
        if options.audience not in (audience if isinstance(audience, list) else [audience]):
            raise _InvalidTokenError("the token is for another audience")
        name = claims.get(options.name_claim)
        if not isinstance(name, str) or not name or not name.isprintable():
            raise _InvalidTokenError(f"the token has no usable claim {options.name_claim}")
        if len(name.encode("utf-8", "surrogatepass")) > _MAX_NAME_BYTES:
            raise _InvalidTokenError(f"the token's claim {options.name_claim} is too long")
        roles = {str(role): role for role in Role}
        role = claims.get(options.role_claim)
        if not isinstance(role, str) or role not in roles:
            raise _InvalidTokenError(f"the token's claim {options.role_claim} names no role")
        types = _strings(claims, options.types_claim)
        scope = Scope(
            None if types is None else frozenset(types), _strings(claims, options.prefixes_claim)
        )
        admin = roles[role] is Role.ADMIN
        # A time of issue in the future comes from a wrong clock, and would shift the others too.
        starts = [_time(claims, claim) for claim in ("nbf", "iat") if claim in claims]
        begins = max(starts, default=-math.inf)
        return JwtToken(
            Caller(name, scope, Authentication.JWT, admin),
            roles[role],
            _time(claims, "exp") + options.leeway_seconds,
            begins - options.leeway_seconds,
            self._keys.generation,
            text,
        )


class _UnknownKeyError(_InvalidTokenError):
    """A token names a key that is not among the known ones."""


class BearerTokens:
    """Checks bearer tokens of both kinds: those of the token file, and JSON Web Tokens.

    Args:
        file: Checks tokens of the file; ``None`` if the server accepts none.
        jwt: Checks JSON Web Tokens.
    """

    def __init__(self, file: TokenChecker | None, jwt: JwtChecker) -> None:
        self._file = file
        self._jwt = jwt

    async def identify(self, text: str) -> Identity:
        """Return the identity of a token's owner."""
        if self._file is not None and text.startswith("cir_"):
            return await self._file.identify(text)
        return await self._jwt.identify(text)

    def check(self, accepted: Token | JwtToken) -> None:
        """Check a token again that was accepted before."""
        if isinstance(accepted, JwtToken):
            self._jwt.check(accepted)
        elif self._file is not None:
            self._file.check(accepted)

    def refresh(self) -> None:
        """Read files again if they changed."""
        self._jwt.refresh()
        if self._file is not None:
            self._file.refresh()


def _object(text: str, part: str) -> dict[str, Any]:
    """Return a part of a token, which must be an object of JSON without duplicate keys."""
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        found = json.loads(content, object_pairs_hook=unique_pairs)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _InvalidTokenError(f"the token's {part} is not valid")
    return found


def _time(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _InvalidTokenError(f"the token has no time {name}")
    return float(value)


def _strings(claims: dict[str, Any], name: str) -> tuple[str, ...] | None:
    """Return a claim that is a list of strings; ``None`` if there is none."""
    if name not in claims:
        return None
    value = claims[name]
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise _InvalidTokenError(f"the token's claim {shorten(name)} is not a list of strings")
    return tuple(value)

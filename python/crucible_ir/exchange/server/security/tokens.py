"""The file of bearer tokens: the names, roles, scopes and expiry of callers."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

from crucible_ir.errors import Error, near_miss, shorten
from crucible_ir.exchange.certificates import OTHERS
from crucible_ir.exchange.store.records import EVERYTHING, Scope
from crucible_ir.schema.types import UnknownTypeError, message_type

#: The syntax of a token: its id, by which it is found, and its secret.
_TOKEN: Final = re.compile(r"cir_([0-9a-f]{16})_([0-9a-f]{64})")

#: The version of the file's format.
_VERSION: Final = 1

#: The cost of scrypt. A secret has 256 random bits, which cannot be guessed at any speed: a higher
#: cost would only let wrong tokens use more of the server's time.
_COST: Final = {"n": 1024, "r": 8, "p": 1}


class Role(IntEnum):
    """The permissions of a caller.

    Reader, publisher and admin each include those before them. Ingest is outside of that order: it
    may only hand in feedback, and not even read.
    """

    INGEST = 0
    READER = 1
    PUBLISHER = 2
    ADMIN = 3

    def __str__(self) -> str:
        return self.name.lower()


class TokensError(Error):
    """The token file cannot be used, or a change to it is invalid."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token in the file: everything except its secret.

    Attributes:
        id: Identifies the token; it is not secret.
        name: The name of the caller, which documents record as their publisher.
        role: The caller's role.
        scope: The documents to which the role applies.
        created: The time of creation.
        expires: The time of expiry; ``None`` for never.
        salt: The salt of the hash.
        hash: The hash of the secret.
    """

    id: str
    name: str
    role: Role
    scope: Scope
    created: datetime
    expires: datetime | None
    salt: bytes
    hash: bytes

    def matches(self, secret: str) -> bool:
        """Return whether a secret is this token's, in a time that does not depend on it."""
        return hmac.compare_digest(_hash(secret, self.salt), self.hash)

    def has_expired(self, now: datetime) -> bool:
        """Return whether the token has expired."""
        return self.expires is not None and now >= self.expires


def split_token(text: str) -> tuple[str, str] | None:
    """Return a token's id and secret; ``None`` if the text is not a token.

    >>> split_token("cir_0123")
    """
    match = _TOKEN.fullmatch(text)
    return (match[1], match[2]) if match else None


class TokenFile:
    """A token file, which only its owner may read.

    Args:
        path: The file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def stamp(self) -> tuple[int, int, int]:
        """Return a value that changes whenever the file does.

        Raises:
            OSError: The file does not exist.
        """
        status = self.path.stat()
        return status.st_ino, status.st_mtime_ns, status.st_size

    def read(self) -> dict[str, Token]:
        """Return the tokens by their ids.

        Raises:
            TokensError: Other users can read the file, or it is not a token file.
            OSError: The file cannot be read.
        """
        with self.path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & OTHERS:
                raise TokensError(
                    f"{self.path}: the mode {mode & 0o777:04o} gives other users access to the"
                    f" tokens; run: chmod 600 {self.path}"
                )
            content = file.read()
        try:
            return _tokens_of(json.loads(content))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"missing key {error}" if isinstance(error, KeyError) else str(error)
            raise TokensError(f"{self.path}: invalid token file: {reason}") from None

    def create(
        self,
        name: str,
        role: Role,
        *,
        scope: Scope = EVERYTHING,
        expires: datetime | None = None,
    ) -> tuple[Token, str]:
        """Create a token and store it; create the file if it does not exist.

        Args:
            name: The name of the caller.
            role: The caller's role.
            scope: The documents to which the role applies.
            expires: The time of expiry; ``None`` for never.

        Returns:
            The stored part of the token, and the token itself, which is not stored.

        Raises:
            TokensError: The name or the scope is invalid, or the file cannot be used.
            OSError: The file cannot be read or written.
        """
        _check_name(name)
        _check_scope(scope)
        secret, salt = secrets.token_hex(32), secrets.token_bytes(16)
        now = datetime.now(UTC).replace(microsecond=0)
        token = Token(
            secrets.token_hex(8), name, role, scope, now, expires, salt, _hash(secret, salt)
        )
        with self._locked():
            tokens = self.read() if self.path.exists() else {}
            tokens[token.id] = token
            self._write(tokens)
        return token, f"cir_{token.id}_{secret}"

    def revoke(self, id_: str) -> Token:
        """Remove a token, and return its stored part.

        Raises:
            TokensError: The token does not exist, or the file cannot be used.
            OSError: The file cannot be read or written.
        """
        with self._locked():
            tokens = self.read()
            token = tokens.pop(id_, None)
            if token is None:
                raise TokensError(f"no token with the id {shorten(id_)}{near_miss(id_, tokens)}")
            self._write(tokens)
        return token

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the folder against other writers: the file itself is replaced."""
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
            os.fsync(folder)
        finally:
            os.close(folder)

    def _write(self, tokens: Mapping[str, Token]) -> None:
        """Replace the file atomically, so that a reader sees the old one or the new one."""
        content = {"version": _VERSION, "tokens": [_to_json(token) for token in tokens.values()]}
        # The file is created with mode 0600.
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(content, file, indent=2)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self.path)
        except BaseException:
            os.unlink(name)
            raise


def _hash(secret: str, salt: bytes) -> bytes:
    return hashlib.scrypt(secret.encode("ascii"), salt=salt, **_COST)


def _check_name(name: str) -> None:
    if not name or len(name.encode("utf-8", "surrogatepass")) > 512 or not name.isprintable():
        raise TokensError(
            f"invalid name {shorten(name)}: expected 1 to 512 bytes without control characters"
        )


def _check_scope(scope: Scope) -> None:
    for type_ in sorted(scope.types or ()):
        try:
            message_type(type_)
        except UnknownTypeError as error:
            raise TokensError(str(error)) from None
    if scope.id_prefixes is not None and not all(scope.id_prefixes):
        raise TokensError("an empty id prefix allows every id; leave it out instead")


def _to_json(token: Token) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": token.id,
        "name": token.name,
        "role": str(token.role),
        "created": token.created.isoformat(),
        "salt": token.salt.hex(),
        "hash": token.hash.hex(),
    }
    if token.scope.types is not None:
        fields["types"] = sorted(token.scope.types)
    if token.scope.id_prefixes is not None:
        fields["id_prefixes"] = list(token.scope.id_prefixes)
    if token.expires is not None:
        fields["expires"] = token.expires.isoformat()
    return fields


def _tokens_of(content: Any) -> dict[str, Token]:
    if content["version"] != _VERSION:
        raise ValueError(
            f"unknown version {content['version']}; this release reads version {_VERSION}"
        )
    tokens = [_token_of(fields) for fields in content["tokens"]]
    return {token.id: token for token in tokens}


#: The keys of a token in the file. An unknown key is an error: it might restrict the token.
_KEYS: Final = frozenset(
    {"id", "name", "role", "types", "id_prefixes", "created", "expires", "salt", "hash"}
)


def _token_of(fields: Any) -> Token:
    unknown = sorted(fields.keys() - _KEYS)
    if unknown:
        raise ValueError(f"unknown key {shorten(unknown[0])}{near_miss(unknown[0], _KEYS)}")
    roles = {str(role): role for role in Role}
    if fields["role"] not in roles:
        raise ValueError(f"unknown role {shorten(fields['role'])}; expected {', '.join(roles)}")
    types, prefixes = _strings(fields, "types"), _strings(fields, "id_prefixes")
    expires = fields.get("expires")
    return Token(
        id=fields["id"],
        name=fields["name"],
        role=roles[fields["role"]],
        scope=Scope(
            types=None if types is None else frozenset(types),
            id_prefixes=None if prefixes is None else tuple(prefixes),
        ),
        created=_timestamp(fields["created"]),
        expires=None if expires is None else _timestamp(expires),
        salt=bytes.fromhex(fields["salt"]),
        hash=bytes.fromhex(fields["hash"]),
    )


def _strings(fields: Mapping[str, Any], key: str) -> list[str] | None:
    """Return a list of strings; a single string is an error, since its letters form a list too."""
    if key not in fields:
        return None
    value = fields[key]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{key}: expected a list of strings")
    return value


def _timestamp(text: str) -> datetime:
    timestamp = datetime.fromisoformat(text)
    if timestamp.tzinfo is None:
        raise ValueError(f"{shorten(text)} has no time zone")
    return timestamp

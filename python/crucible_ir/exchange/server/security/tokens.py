"""The file of bearer tokens: who may call a server, as what, and until when."""

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
from crucible_ir.exchange.store.records import EVERYTHING, Scope
from crucible_ir.schema.types import UnknownTypeError, message_type

#: What a token looks like: its id, by which it is found, and its secret.
_TOKEN: Final = re.compile(r"cir_([0-9a-f]{16})_([0-9a-f]{64})")

#: The version of the file's format.
_VERSION: Final = 1

#: The cost of scrypt. A secret is 256 random bits, which nobody guesses at any speed: a higher cost
#: would only give those who send wrong tokens more of the server's time.
_COST: Final = {"n": 1024, "r": 8, "p": 1}

#: The bits of a file's mode that let others than its owner have it.
_OTHERS: Final = 0o077


class Role(IntEnum):
    """What a caller may do; each role may do all that the ones before it may."""

    READER = 1
    PUBLISHER = 2
    ADMIN = 3

    def __str__(self) -> str:
        return self.name.lower()


class TokensError(Error):
    """The file of tokens cannot be used, or not for what was asked."""


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token: everything but its secret.

    Attributes:
        id: Identifies the token; no secret.
        name: Who holds it; the publisher of what is published with it.
        role: What its holder may do.
        scope: The documents on which they may do it.
        created: When it was made.
        expires: When it ends; ``None`` for never.
        salt: What was hashed together with the secret.
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
        """Tell whether a secret is this token's, in a time that says nothing about it."""
        return hmac.compare_digest(_hash(secret, self.salt), self.hash)

    def has_expired(self, now: datetime) -> bool:
        """Tell whether the token has ended."""
        return self.expires is not None and now >= self.expires


def split_token(text: str) -> tuple[str, str] | None:
    """Return a token's id and its secret; ``None`` for what is no token.

    >>> split_token("cir_0123")
    """
    match = _TOKEN.fullmatch(text)
    return (match[1], match[2]) if match else None


class TokenFile:
    """A file of tokens, which only its owner may read.

    Args:
        path: The file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def stamp(self) -> tuple[int, int, int]:
        """Return what changes whenever the file does.

        Raises:
            OSError: There is no such file.
        """
        status = self.path.stat()
        return status.st_ino, status.st_mtime_ns, status.st_size

    def read(self) -> dict[str, Token]:
        """Return the tokens by their ids.

        Raises:
            TokensError: The file is readable for others, or no file of tokens.
            OSError: The file cannot be read.
        """
        with self.path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & _OTHERS:
                raise TokensError(
                    f"{self.path}: its mode {mode & 0o777:04o} lets others than its owner at the"
                    f" tokens; run: chmod 600 {self.path}"
                )
            content = file.read()
        try:
            return _tokens_of(json.loads(content))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
            raise TokensError(f"{self.path}: it is no file of tokens: {reason}") from None

    def create(
        self,
        name: str,
        role: Role,
        *,
        scope: Scope = EVERYTHING,
        expires: datetime | None = None,
    ) -> tuple[Token, str]:
        """Make a token and keep it; make the file if there is none.

        Args:
            name: Who will hold it.
            role: What they may do.
            scope: The documents on which they may do it.
            expires: When it ends; ``None`` for never.

        Returns:
            What is kept of the token, and the token itself, which is kept nowhere.

        Raises:
            TokensError: The name or the scope is none, or the file cannot be used.
            OSError: The file cannot be read or written.
        """
        _check_name(name)
        _check_scope(scope)
        secret, salt = secrets.token_hex(32), secrets.token_bytes(16)
        now = datetime.now(UTC).replace(microsecond=0)
        token = Token(
            secrets.token_hex(8), name, role, scope, now, expires, salt, _hash(secret, salt)
        )
        with self._changing():
            tokens = self.read() if self.path.exists() else {}
            tokens[token.id] = token
            self._write(tokens)
        return token, f"cir_{token.id}_{secret}"

    def revoke(self, id_: str) -> Token:
        """Forget a token, and return what was kept of it.

        Raises:
            TokensError: There is no such token, or the file cannot be used.
            OSError: The file cannot be read or written.
        """
        with self._changing():
            tokens = self.read()
            token = tokens.pop(id_, None)
            if token is None:
                raise TokensError(f"there is no token {shorten(id_)}{near_miss(id_, tokens)}")
            self._write(tokens)
        return token

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Lock the folder against others who change the file: the file itself is replaced."""
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
            os.fsync(folder)
        finally:
            os.close(folder)

    def _write(self, tokens: Mapping[str, Token]) -> None:
        """Replace the file as a whole, so that a reader sees the old one or the new one."""
        content = {"version": _VERSION, "tokens": [_to_json(token) for token in tokens.values()]}
        # The file is made with mode 0600.
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
            f"the name {shorten(name)} is none: expected 1 to 512 bytes, without control characters"
        )


def _check_scope(scope: Scope) -> None:
    for type_ in sorted(scope.types or ()):
        try:
            message_type(type_)
        except UnknownTypeError as error:
            raise TokensError(str(error)) from None
    if scope.id_prefixes is not None and not all(scope.id_prefixes):
        raise TokensError("an empty id prefix allows every id: leave it out instead")


def _to_json(token: Token) -> dict[str, Any]:
    written: dict[str, Any] = {
        "id": token.id,
        "name": token.name,
        "role": str(token.role),
        "created": token.created.isoformat(),
        "salt": token.salt.hex(),
        "hash": token.hash.hex(),
    }
    if token.scope.types is not None:
        written["types"] = sorted(token.scope.types)
    if token.scope.id_prefixes is not None:
        written["id_prefixes"] = list(token.scope.id_prefixes)
    if token.expires is not None:
        written["expires"] = token.expires.isoformat()
    return written


def _tokens_of(content: Any) -> dict[str, Token]:
    if content["version"] != _VERSION:
        raise ValueError(f"its version is {content['version']}, and this release reads {_VERSION}")
    tokens = [_token_of(written) for written in content["tokens"]]
    return {token.id: token for token in tokens}


#: What a token in the file may say. A key that is not known might narrow what the token allows.
_KEYS: Final = frozenset(
    {"id", "name", "role", "types", "id_prefixes", "created", "expires", "salt", "hash"}
)


def _token_of(written: Any) -> Token:
    unknown = sorted(written.keys() - _KEYS)
    if unknown:
        raise ValueError(f"unknown key {shorten(unknown[0])}{near_miss(unknown[0], _KEYS)}")
    roles = {str(role): role for role in Role}
    if written["role"] not in roles:
        raise ValueError(f"unknown role {shorten(written['role'])}; expected {', '.join(roles)}")
    types, prefixes = _texts(written, "types"), _texts(written, "id_prefixes")
    expires = written.get("expires")
    return Token(
        id=written["id"],
        name=written["name"],
        role=roles[written["role"]],
        scope=Scope(
            types=None if types is None else frozenset(types),
            id_prefixes=None if prefixes is None else tuple(prefixes),
        ),
        created=_moment(written["created"]),
        expires=None if expires is None else _moment(expires),
        salt=bytes.fromhex(written["salt"]),
        hash=bytes.fromhex(written["hash"]),
    )


def _texts(written: Mapping[str, Any], key: str) -> list[str] | None:
    """Return a list of strings; a lone string is refused, whose letters would be taken for one."""
    if key not in written:
        return None
    value = written[key]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{key}: expected a list of strings")
    return value


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{shorten(text)} says no time zone")
    return moment

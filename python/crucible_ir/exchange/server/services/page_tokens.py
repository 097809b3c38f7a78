"""Opaque page tokens: the key of the next page, signed with the query and epoch it belongs to."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from typing import TYPE_CHECKING

import grpc

from crucible_ir.exchange.server.rpc.errors import RpcError, error_info, field_violation

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.exchange.server.services.change_broadcaster import ChangeBroadcaster
    from crucible_ir.exchange.store import Store
    from crucible_ir.exchange.store.records import Epoch

_HASH_BYTES = 12
_SIGNATURE_BYTES = 16
_EPOCH_BYTES = 8
_NUMBER = b"n"
_TEXT = b"t"
_BYTES = b"b"
_PAIR = b"p"

#: A key that a token contains.
Key = int | str | bytes | tuple[float, bytes]


def query_hash(request: Message, *paging: str) -> bytes:
    """Return a hash of a request without the fields that may differ between its pages."""
    query = type(request)()
    query.CopyFrom(request)
    for field in paging:
        query.ClearField(field)
    content = query.DESCRIPTOR.full_name.encode() + query.SerializeToString(deterministic=True)
    return hashlib.sha256(content).digest()[:_HASH_BYTES]


class PageTokens:
    """Writes and reads page tokens.

    They are signed with a key that is in the store, so each server of the store knows the tokens of
    the others, and no client can make one. After the store has lost changes, tokens from before
    that are rejected: the keys in them may now mean something else.

    Args:
        store: The store.
        broadcaster: The changes of the store.
    """

    def __init__(self, store: Store, broadcaster: ChangeBroadcaster) -> None:
        self._store = store
        self._broadcaster = broadcaster
        self._key: bytes | None = None
        self._epochs: list[Epoch] = []

    async def write(self, query: bytes, key: Key | None) -> str:
        """Return the token of the page after a key; empty for ``None``, the end of the list."""
        if key is None:
            return ""
        encoded = _encoded(key)
        epoch = (await self._known_epochs())[-1]
        content = query + epoch.id.to_bytes(_EPOCH_BYTES) + encoded
        return base64.urlsafe_b64encode(await self._signature(content) + content).decode()

    async def read(self, query: bytes, token: str, field: str = "page_token") -> Key | None:
        """Return the key of a token; ``None`` for the empty one.

        Args:
            query: The hash of the query.
            token: The token.
            field: The field of the request that contains the token.

        Raises:
            RpcError: The token was not made by a server of this store, belongs to another query, or
                is from before the store lost changes.
        """
        found = await self._read(query, token, field)
        if found is None:
            return None
        key, events = found
        if events is not None:
            raise self._ended(field)
        return key

    async def read_position(self, query: bytes, token: str, field: str) -> int:
        """Return the position of an event in a token; 0 for the empty one.

        A position from before the store lost events is valid if the events up to it are not lost.

        Raises:
            RpcError: As for `read`.
        """
        found = await self._read(query, token, field)
        if found is None:
            return 0
        key, events = found
        position = key if isinstance(key, int) else 0
        if events is not None and position > events:
            raise self._ended(field)
        return position

    async def _read(self, query: bytes, token: str, field: str) -> tuple[Key, int | None] | None:
        """Return the key of a token, and up to which position events were kept since.

        The position is ``None`` if no epoch has begun since.
        """
        if not token:
            return None
        try:
            signed = base64.b64decode(token, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            signed = b""
        signature, content = signed[:_SIGNATURE_BYTES], signed[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, await self._signature(content)):
            raise field_violation(field, f"{field}.known", "is not a token of this exchange")
        if content[:_HASH_BYTES] != query:
            raise field_violation(
                field,
                f"{field}.same_query",
                "belongs to another query; keep all other fields of the request the same",
            )
        content = content[_HASH_BYTES:]
        epoch = int.from_bytes(content[:_EPOCH_BYTES])
        key = _decoded(content[_EPOCH_BYTES:])
        epochs = await self._known_epochs()
        if epoch == epochs[-1].id:
            return key, None
        ids = [each.id for each in epochs]
        if epoch not in ids:
            return key, -1
        return key, min(each.last_event for each in epochs[ids.index(epoch) + 1 :])

    async def _known_epochs(self) -> list[Epoch]:
        if not self._epochs or self._epochs[-1].name != self._broadcaster.epoch:
            self._epochs = await self._store.epochs()
        return self._epochs

    def _ended(self, field: str) -> RpcError:
        return RpcError(
            grpc.StatusCode.OUT_OF_RANGE,
            f"the {field} is from before the exchange was restored or lost changes; start again"
            " without it",
            [error_info("EPOCH_ENDED", {"epoch": self._broadcaster.epoch})],
        )

    async def _signature(self, content: bytes) -> bytes:
        if self._key is None:
            self._key = await self._store.page_token_key()
        return hmac.digest(self._key, content, "sha256")[:_SIGNATURE_BYTES]


def _encoded(key: Key) -> bytes:
    if isinstance(key, int):
        return _NUMBER + str(key).encode()
    if isinstance(key, tuple):
        return _PAIR + struct.pack(">d", key[0]) + key[1]
    return _TEXT + key.encode() if isinstance(key, str) else _BYTES + key


def _decoded(encoded: bytes) -> Key:
    kind, value = encoded[:1], encoded[1:]
    if kind == _NUMBER:
        return int(value)
    if kind == _PAIR:
        return struct.unpack(">d", value[:8])[0], value[8:]
    return value.decode() if kind == _TEXT else value

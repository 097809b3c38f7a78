"""Opaque page tokens: the key of the next page, signed together with the query it belongs to."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING

from crucible_ir.exchange.server.rpc.errors import field_violation

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.exchange.store import Store

_HASH_BYTES = 12
_SIGNATURE_BYTES = 16
_NUMBER = b"n"
_TEXT = b"t"


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
    the others, and no client can make one.

    Args:
        store: The store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._key: bytes | None = None

    async def write(self, query: bytes, key: str | int | None) -> str:
        """Return the token of the page after a key; empty for ``None``, the end of the list."""
        if key is None:
            return ""
        encoded = _NUMBER + str(key).encode() if isinstance(key, int) else _TEXT + key.encode()
        content = query + encoded
        return base64.urlsafe_b64encode(await self._signature(content) + content).decode()

    async def read(self, query: bytes, token: str, field: str = "page_token") -> str | int | None:
        """Return the key of a token; ``None`` for the empty one.

        Args:
            query: The hash of the query.
            token: The token.
            field: The field of the request that contains the token.

        Raises:
            RpcError: The token was not made by a server of this store, or belongs to another
                query.
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
        kind, text = content[_HASH_BYTES : _HASH_BYTES + 1], content[_HASH_BYTES + 1 :].decode()
        return int(text) if kind == _NUMBER else text

    async def _signature(self, content: bytes) -> bytes:
        if self._key is None:
            self._key = await self._store.page_token_key()
        return hmac.digest(self._key, content, "sha256")[:_SIGNATURE_BYTES]

"""Opaque page tokens: the key of the next page, and a hash of the query that it belongs to."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING

from crucible_ir.exchange.server.rpc.errors import field_violation

if TYPE_CHECKING:
    from google.protobuf.message import Message

_HASH_BYTES = 12
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


def page_token(query: bytes, key: str | int | None) -> str:
    """Return the token of the page after a key; empty for ``None``, the end of the list."""
    if key is None:
        return ""
    encoded = _NUMBER + str(key).encode() if isinstance(key, int) else _TEXT + key.encode()
    return base64.urlsafe_b64encode(query + encoded).decode()


def page_key(query: bytes, token: str, field: str = "page_token") -> str | int | None:
    """Return the key of a token; ``None`` for the empty one.

    Args:
        query: The hash of the query.
        token: The token.
        field: The field of the request that contains the token.

    Raises:
        RpcError: The token is invalid, or belongs to another query.
    """
    if not token:
        return None
    try:
        content = base64.b64decode(token, altchars=b"-_", validate=True)
        kind = content[_HASH_BYTES : _HASH_BYTES + 1]
        text = content[_HASH_BYTES + 1 :].decode()
        key = int(text) if kind == _NUMBER else text
    except (binascii.Error, ValueError):
        raise field_violation(field, f"{field}.known", "is not a token of this exchange") from None
    if kind not in (_NUMBER, _TEXT):
        raise field_violation(field, f"{field}.known", "is not a token of this exchange")
    if content[:_HASH_BYTES] != query:
        raise field_violation(
            field,
            f"{field}.same_query",
            "belongs to another query; keep all other fields of the request the same",
        )
    return key

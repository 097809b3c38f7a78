"""From publish and delete requests to the commands for a store."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from crucible_ir import v1 as ir_v1
from crucible_ir.errors import EncodeError, near_miss, shorten
from crucible_ir.exchange import v1
from crucible_ir.exchange.content import field_values
from crucible_ir.exchange.server.rpc.errors import field_violation
from crucible_ir.exchange.store.records import DeleteCommand, PublishCommand, RequestKey
from crucible_ir.schema.references import (
    identity_field,
    identity_fields,
    identity_of,
    references_of,
)
from crucible_ir.schema.releases import requires
from crucible_ir.schema.types import descriptor_of, document_members
from crucible_ir.serialization.json.canonical import DIGEST_PREFIX, digest

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.exchange.server.rpc.call_context import Caller


def publish_command(request: v1.PublishRequest, caller: Caller) -> PublishCommand:
    """Return the command of a valid request to publish.

    Raises:
        RpcError: The document's id is missing or contradicts the request, or the caller may not
            publish it.
    """
    content = content_of(request.document)
    type_ = descriptor_of(content).name
    id_ = _id(request, content)
    caller.check(type_, id_)
    digest_ = _digest(content)
    content_hash = _content_hash(content, digest_)
    etag = request.etag if request.HasField("etag") else None
    return PublishCommand(
        type=type_,
        id=id_,
        document=request.document.SerializeToString(),
        content_hash=content_hash,
        digest=digest_,
        publisher=caller.name,
        etag=etag,
        request=_request_key(request, "publish", type_, id_, etag, content_hash),
        fields=tuple(field_values(content)),
        references=tuple(references_of(content, id_)),
        requires=requires(request.document, binary=True),
    )


def delete_command(request: v1.DeleteRequest, caller: Caller) -> DeleteCommand:
    """Return the command of a valid request to delete.

    Raises:
        RpcError: The type is unknown, or the caller may not delete the document.
    """
    check_type(request.type)
    caller.check(request.type, request.id)
    etag = request.etag if request.HasField("etag") else None
    return DeleteCommand(
        type=request.type,
        id=request.id,
        publisher=caller.name,
        etag=etag,
        request=_request_key(request, "delete", request.type, request.id, etag, b""),
    )


def content_of(document: ir_v1.Document) -> Message:
    """Return the content of a valid document."""
    member = document.WhichOneof("content")
    assert member is not None, "a valid document has content"
    content: Message = getattr(document, member)
    return content


def check_type(name: str, field: str = "type") -> None:
    """Check that the messages of a type can be documents.

    Raises:
        RpcError: They cannot; the error suggests a similar name.
    """
    if name not in document_members():
        guess = near_miss(name, document_members())
        reason = f"unknown document type {shorten(name)}{guess}"
        raise field_violation(field, f"{field}.known", reason)


def _id(request: v1.PublishRequest, content: Message) -> str:
    own = identity_of(content)
    if not request.HasField("id"):
        if own is None:
            message = descriptor_of(content)
            reason = f"must be set: the {message.name} has no id of its own"
            if names := identity_fields(message):
                reason += f"; or set its {' or '.join(names)}"
            raise field_violation("id", "required", reason)
        if len(own.encode()) > 512:
            reason = "must be set: the id of the content has more than 512 bytes"
            raise field_violation("id", "required", reason)
        return own
    if own is not None and own != request.id:
        field = identity_field(content)
        raise field_violation("id", "publish.id_equal", f"must equal the content's {field}")
    return request.id


def _digest(content: Message) -> str | None:
    try:
        return digest(content)
    except EncodeError:
        return None


def _content_hash(content: Message, digest_: str | None) -> bytes:
    """Return a hash by which contents are compared.

    A content without a digest is compared by its serialized bytes: at worst, equal contents count
    as different.
    """
    if digest_ is not None:
        return bytes.fromhex(digest_.removeprefix(DIGEST_PREFIX))
    return hashlib.sha256(b"binary:" + content.SerializeToString(deterministic=True)).digest()


def _request_key(
    request: v1.PublishRequest | v1.DeleteRequest,
    verb: str,
    type_: str,
    id_: str,
    etag: str | None,
    content_hash: bytes,
) -> RequestKey | None:
    if not request.HasField("request_id"):
        return None
    parts = [verb, type_, id_, "" if etag is None else f"={etag}"]
    hashed = hashlib.sha256(content_hash)
    for part in parts:
        encoded = part.encode()
        hashed.update(len(encoded).to_bytes(4, "big") + encoded)
    return RequestKey(request.request_id, hashed.digest())

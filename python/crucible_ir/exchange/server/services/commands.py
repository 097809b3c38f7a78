"""From requests to publish, append and delete to the commands for a store."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from google.protobuf.message import Message

from crucible_ir import v1 as ir_v1
from crucible_ir.building.run_progress import add_progress
from crucible_ir.errors import near_miss, shorten
from crucible_ir.exchange import v1
from crucible_ir.exchange.content import content_hash, digest_of, field_values, number_values
from crucible_ir.exchange.server.rpc.call_context import current_actor
from crucible_ir.exchange.server.rpc.errors import field_violation, permission_denied
from crucible_ir.exchange.store.records import (
    AppendCommand,
    DeleteCommand,
    PublishCommand,
    RequestKey,
)
from crucible_ir.exchange.transitions import transition_to
from crucible_ir.schema.fields import fields_of
from crucible_ir.schema.references import (
    identity_field,
    identity_fields,
    identity_of,
    references_of,
)
from crucible_ir.schema.releases import requires
from crucible_ir.schema.types import descriptor_of, document_members

if TYPE_CHECKING:
    from crucible_ir.exchange.server.rpc.call_context import Caller


#: The type of the documents that can be appended to.
RUN: Final = "TrainingRun"

#: The fields with presence that a request to append and a run have in common.
_SET_BY_APPEND: Final = tuple(
    name
    for name, field in fields_of(descriptor_of(v1.AppendMetricsRequest)).items()
    if field.has_presence and name in fields_of(descriptor_of(ir_v1.TrainingRun))
)


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
    if request.override_immutable and not caller.is_admin:
        raise permission_denied("only an admin may override immutable fields")
    digest = digest_of(content)
    hashed = content_hash(content, digest)
    etag = request.etag if request.HasField("etag") else None
    return PublishCommand(
        type=type_,
        id=id_,
        document=request.document.SerializeToString(),
        content_hash=hashed,
        digest=digest,
        publisher=caller.name,
        etag=etag,
        request=_request_key(request, "publish", type_, id_, etag, hashed),
        fields=tuple(field_values(content)),
        numbers=tuple(number_values(content)),
        references=tuple(references_of(content, id_)),
        requires=requires(request.document, binary=True),
        actor=current_actor(),
        transition=transition_to(content),
        override_immutable=request.override_immutable,
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
        actor=current_actor(),
    )


def append_command(request: v1.AppendMetricsRequest, caller: Caller) -> AppendCommand:
    """Return the command of a valid request to append to a training run.

    Raises:
        RpcError: The caller may not append to the run.
    """
    caller.check(RUN, request.id)
    update = ir_v1.TrainingRun()
    for name in _SET_BY_APPEND:
        if request.HasField(name):
            value = getattr(request, name)
            if isinstance(value, Message):
                getattr(update, name).CopyFrom(value)
            else:
                setattr(update, name, value)
    update.status = request.status
    update.checkpoint_uris.extend(request.checkpoint_uris)
    update.best_metrics.update(request.best_metrics)
    add_progress(update, request.snapshots)
    etag = request.etag if request.HasField("etag") else None
    return AppendCommand(
        id=request.id,
        snapshots=request.snapshots,
        update=update,
        expected_count=request.expected_count if request.HasField("expected_count") else None,
        publisher=caller.name,
        etag=etag,
        request=_request_key(request, "append", RUN, request.id, etag, _appended_hash(request)),
    )


def _appended_hash(request: v1.AppendMetricsRequest) -> bytes:
    """Return a hash of what a request appends, if it is needed."""
    if not request.HasField("request_id"):
        return b""
    appended = v1.AppendMetricsRequest()
    appended.CopyFrom(request)
    for name in ("request_id", "validate_only"):
        appended.ClearField(name)
    return hashlib.sha256(appended.SerializeToString(deterministic=True)).digest()


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


def _request_key(
    request: v1.PublishRequest | v1.DeleteRequest | v1.AppendMetricsRequest,
    verb: str,
    type_: str,
    id_: str,
    etag: str | None,
    hashed_content: bytes,
) -> RequestKey | None:
    if not request.HasField("request_id"):
        return None
    parts = [verb, type_, id_, "" if etag is None else f"={etag}"]
    hashed = hashlib.sha256(hashed_content)
    for part in parts:
        encoded = part.encode()
        hashed.update(len(encoded).to_bytes(4, "big") + encoded)
    return RequestKey(request.request_id, hashed.digest())

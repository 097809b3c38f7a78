"""Converts gRPC statuses and their typed details to the errors of the exchange."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

import grpc
from google.protobuf.message import DecodeError as ProtobufDecodeError
from google.rpc import error_details_pb2, status_pb2

from crucible_ir.errors import Position, Violation
from crucible_ir.exchange.client.errors import (
    DeadlineExceededError,
    EtagMismatchError,
    ExchangeError,
    ImmutableFieldError,
    InvalidDocumentError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    QuotaExceededError,
    RequestReusedError,
    SnapshotCountError,
    UnauthenticatedError,
    UnavailableError,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.exchange import v1

    MessageT = TypeVar("MessageT", bound=Message)

#: The trailer that carries a ``google.rpc.Status``.
_DETAILS: Final = "grpc-status-details-bin"

#: The `ExchangeError.reason` of a stream on which the server sent nothing for too long.
IDLE_REASON: Final = "SILENCE"

_ERROR_CLASSES: Final[dict[str, type[ExchangeError]]] = {
    "INVALID_ARGUMENT": InvalidDocumentError,
    "OUT_OF_RANGE": InvalidDocumentError,
    "NOT_FOUND": NotFoundError,
    "FAILED_PRECONDITION": PreconditionError,
    "RESOURCE_EXHAUSTED": QuotaExceededError,
    "UNAUTHENTICATED": UnauthenticatedError,
    "PERMISSION_DENIED": PermissionDeniedError,
    "UNAVAILABLE": UnavailableError,
    "DEADLINE_EXCEEDED": DeadlineExceededError,
}

#: The precondition types with an error class of their own.
_PRECONDITION_CLASSES: Final[dict[str, type[ExchangeError]]] = {
    "ETAG": EtagMismatchError,
    "REQUEST_ID": RequestReusedError,
    "IMMUTABLE": ImmutableFieldError,
    "SNAPSHOT_COUNT": SnapshotCountError,
}

_CODE_NAMES: Final = {code.value[0]: code.name for code in grpc.StatusCode}


def error_of(
    code: grpc.StatusCode | None, text: str | None, trailers: Iterable[tuple[str, object]] | None
) -> ExchangeError:
    """Return the error for the final status of a call.

    Args:
        code: The status code.
        text: The status message.
        trailers: The trailing metadata.
    """
    name = (code or grpc.StatusCode.UNKNOWN).name
    details = _details(trailers)
    class_ = _ERROR_CLASSES.get(name, ExchangeError)
    for failure in _unpacked(details, error_details_pb2.PreconditionFailure):
        for violation in failure.violations:
            class_ = _PRECONDITION_CLASSES.get(violation.type, class_)
    error = class_(text or name, code=name)
    for info in _unpacked(details, error_details_pb2.ErrorInfo):
        error.reason = info.reason
        error.metadata = dict(info.metadata)
    if not isinstance(error, InvalidDocumentError):
        return error
    return InvalidDocumentError.of(
        error,
        [
            Violation(broken.field, broken.reason, broken.description)
            for request in _unpacked(details, error_details_pb2.BadRequest)
            for broken in request.field_violations
        ],
    )


def error_of_item(item: v1.ItemError) -> ExchangeError:
    """Return the error for an item of a stream that the server rejected."""
    name = _CODE_NAMES.get(item.code, "UNKNOWN")
    class_ = _ERROR_CLASSES.get(name, ExchangeError)
    if class_ is PreconditionError:
        # Older servers give no reason.
        class_ = _PRECONDITION_CLASSES.get(item.reason.removesuffix("_MISMATCH"), class_)
    error = class_(
        item.message or name, code=name, reason=item.reason, metadata=dict(item.metadata)
    )
    if not item.violations:
        return error
    return InvalidDocumentError.of(error, violations_of(item.violations))


def idle_error(seconds: float) -> UnavailableError:
    """Return the error for a stream on which the server sent nothing for too long."""
    return UnavailableError(
        f"the server sent nothing for {seconds:g} s", code="UNAVAILABLE", reason=IDLE_REASON
    )


def violations_of(violations: Iterable[v1.Violation]) -> list[Violation]:
    """Return the violations in a server's response."""
    return [
        Violation(
            broken.path,
            broken.rule_id,
            broken.message,
            position=Position(broken.line, broken.column) if broken.HasField("line") else None,
        )
        for broken in violations
    ]


def _details(trailers: Iterable[tuple[str, object]] | None) -> status_pb2.Status:
    for key, value in trailers or ():
        if key == _DETAILS and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except ProtobufDecodeError:
                # The details are lost, but the error still has its code and message.
                break
    return status_pb2.Status()


def _unpacked(status: status_pb2.Status, type_: type[MessageT]) -> Sequence[MessageT]:
    found = []
    for detail in status.details:
        message = type_()
        if detail.Unpack(message):
            found.append(message)
    return found

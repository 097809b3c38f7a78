"""Errors on the wire: a status code with the typed details of ``google.rpc``."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from typing import Any, Final, NoReturn

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from crucible_ir.errors import DecodeError, EncodeError, Error, ValidationError, Violation
from crucible_ir.exchange.server.rpc import trailers
from crucible_ir.exchange.store.errors import (
    DocumentNotFoundError,
    ImmutableFieldsError,
    NotDeletedError,
    RequestIdReusedError,
    ResultTooLargeError,
    RunFullError,
    SnapshotCountError,
    StaleEtagError,
    StoreFailure,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
)

#: The domain of the reasons in ``ErrorInfo``.
DOMAIN = "crucible-ir"

#: The trailer that carries the details.
DETAILS_TRAILER = "grpc-status-details-bin"

#: The most violations that an error lists; fewer if they do not fit in the trailers.
MAX_VIOLATIONS: Final = 20

# Operators filter by this name, so it does not follow the module.
_log: Final = logging.getLogger("crucible_ir.exchange.server.errors")


class RpcError(Error):
    """Ends a call with a status other than OK.

    The message and the details are cut to the size that trailers may have.

    Attributes:
        code: The status code.
        message: The message for people.
        details: Typed details, messages of ``google.rpc``.
        violations: The first of the broken rules, if that is the reason.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        details: Iterable[Message] = (),
        violations: Sequence[Violation] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = trailers.cut(message)
        self.details = trailers.fitting(details, trailers.details_room(self.message))
        self.violations = violations


def invalid_argument(message: str, violations: Iterable[Violation], omitted: int = 0) -> RpcError:
    """Return the error for a request that breaks rules; the reasons are the ids of the rules.

    It lists the first violations; the message says how many there are, and how many it leaves out.

    Args:
        message: The message.
        violations: The violations.
        omitted: How many more there are.
    """
    broken = list(violations)
    count = len(broken) + omitted
    listed: Sequence[Violation] = broken
    if broken:
        # What the error lists depends on the size of the message, which says how much it lists.
        end = _more(count, 0)
        room = trailers.MAX_MESSAGE_BYTES - trailers.encoded_size(f"{message}: {end}")
        message = f"{message}: {_shown(broken[0], room)}"
        listed = _listed(broken, trailers.details_room(message + end))
        message += _more(count, len(listed))
    detail = error_details_pb2.BadRequest(field_violations=map(_field_violation, listed))
    return RpcError(grpc.StatusCode.INVALID_ARGUMENT, message, [detail], listed)


def _more(count: int, listed: int) -> str:
    """Return the end of a message about violations: how many there are besides the first one."""
    more = f", and {count - 1} more" if count > 1 else ""
    return more if listed == count else f"{more} ({count - listed} not listed)"


def _shown(violation: Violation, room: int) -> str:
    """Return a violation in at most so many encoded bytes; a long path leaves half to the rest."""
    if trailers.encoded_size(str(violation)) <= room:
        return str(violation)
    path = trailers.cut(violation.path, room // 2)
    return trailers.cut(str(violation._replace(path=path)), room)


def _listed(violations: Sequence[Violation], room: int) -> Sequence[Violation]:
    """Return the first violations, as many as fit in so many bytes; one is always listed."""
    room -= trailers.DETAIL_OVERHEAD
    for count, violation in enumerate(violations[:MAX_VIOLATIONS]):
        room -= _field_violation(violation).ByteSize() + trailers.ITEM_OVERHEAD
        if room < 0 and count:
            return violations[:count]
    return violations[:MAX_VIOLATIONS]


def _field_violation(violation: Violation) -> error_details_pb2.BadRequest.FieldViolation:
    return error_details_pb2.BadRequest.FieldViolation(
        field=violation.path, description=violation.message, reason=violation.rule_id
    )


def field_violation(path: str, rule_id: str, description: str) -> RpcError:
    """Return the error for one field of a request that breaks one rule."""
    return invalid_argument("invalid request", [Violation(path, rule_id, description)])


def failed_precondition(
    kind: str, subject: str, description: str, metadata: Mapping[str, str] | None = None
) -> RpcError:
    """Return the error for a request that the current state does not allow.

    Args:
        kind: The kind of precondition, such as ``ETAG``.
        subject: Its subject, such as ``ModelVersion/m1``.
        description: The message for people.
        metadata: Values for programs.
    """
    failure = error_details_pb2.PreconditionFailure(
        violations=[
            error_details_pb2.PreconditionFailure.Violation(
                type=kind, subject=subject, description=description
            )
        ]
    )
    info = error_info(f"{kind}_MISMATCH" if kind == "ETAG" else kind, metadata)
    return RpcError(grpc.StatusCode.FAILED_PRECONDITION, description, [failure, info])


def _immutable(error: ImmutableFieldsError) -> RpcError:
    """Return the error for a document that changes immutable fields; its subjects are paths."""
    failure = error_details_pb2.PreconditionFailure(
        violations=[
            error_details_pb2.PreconditionFailure.Violation(
                type="IMMUTABLE", subject=path, description="the field keeps its value"
            )
            for path in error.paths
        ]
    )
    metadata = {"type": error.type, "id": error.id, "paths": ",".join(error.paths)}
    info = error_info("IMMUTABLE", metadata)
    return RpcError(grpc.StatusCode.FAILED_PRECONDITION, str(error), [failure, info])


def not_found(resource_type: str, resource_name: str, description: str) -> RpcError:
    """Return the error for a document or revision that does not exist."""
    detail = error_details_pb2.ResourceInfo(
        resource_type=resource_type, resource_name=resource_name, description=description
    )
    return RpcError(grpc.StatusCode.NOT_FOUND, description, [detail])


def quota(subject: str, description: str) -> RpcError:
    """Return the error for a limit that is exceeded."""
    detail = error_details_pb2.QuotaFailure(
        violations=[
            error_details_pb2.QuotaFailure.Violation(subject=subject, description=description)
        ]
    )
    return RpcError(grpc.StatusCode.RESOURCE_EXHAUSTED, description, [detail])


def permission_denied(description: str) -> RpcError:
    """Return the error for a caller without the permission for a call."""
    return RpcError(
        grpc.StatusCode.PERMISSION_DENIED, description, [error_info("PERMISSION_DENIED")]
    )


def unavailable(reason: str, description: str) -> RpcError:
    """Return the error for a call that may succeed when it is retried."""
    return RpcError(grpc.StatusCode.UNAVAILABLE, description, [error_info(reason)])


def error_info(
    reason: str, metadata: Mapping[str, str] | None = None
) -> error_details_pb2.ErrorInfo:
    """Return the detail with a machine-readable reason."""
    return error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata or {})


def translate(error: Exception) -> RpcError:
    """Return the error that a caller gets for an exception.

    The message of an internal error is withheld, since it may contain confidential data.
    """
    match error:
        case RpcError():
            return error
        case ValidationError():
            return invalid_argument("invalid request", error.violations)
        case DecodeError():
            unreadable = [Violation(each.path, "readable", each.reason) for each in error.errors]
            return invalid_argument("invalid request", unreadable)
        case EncodeError():
            return field_violation(error.path, "readable", error.reason)
        case DocumentNotFoundError():
            return not_found(error.type, error.id, str(error))
        case NotDeletedError():
            return failed_precondition("NOT_DELETED", f"{error.type}/{error.id}", str(error))
        case StaleEtagError():
            subject = f"{error.type}/{error.id}"
            return failed_precondition("ETAG", subject, str(error), {"latest": error.latest})
        case SnapshotCountError():
            subject = f"TrainingRun/{error.id}"
            counted = {"count": str(error.count)}
            return failed_precondition("SNAPSHOT_COUNT", subject, str(error), counted)
        case RunFullError():
            return quota("run", str(error))
        case ImmutableFieldsError():
            return _immutable(error)
        case RequestIdReusedError():
            return failed_precondition("REQUEST_ID", error.request_id, str(error))
        case ResultTooLargeError():
            return RpcError(grpc.StatusCode.OUT_OF_RANGE, str(error), [error_info("TOO_MUCH")])
        case StoreUnavailableError():
            return unavailable("STORE_UNAVAILABLE", "the store is unavailable; retry later")
        case StoreFullError():
            return quota("store", "the store is full")
        case StoreReadOnlyError():
            return failed_precondition("STORE_READ_ONLY", "store", "the store is read-only")
        case StoreFailure():
            _log.error("the store failed: %s", error)
            return RpcError(grpc.StatusCode.INTERNAL, "the store failed", [error_info("STORE")])
    _log.error("a call failed: %s", type(error).__name__, exc_info=error)
    return RpcError(grpc.StatusCode.INTERNAL, "the server failed", [error_info("INTERNAL")])


def status_of(error: RpcError) -> status_pb2.Status:
    """Return an error as the message for the trailer."""
    status = status_pb2.Status(code=error.code.value[0], message=error.message)
    for detail in error.details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return status


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: RpcError) -> NoReturn:
    """End a call with an error's status and details."""
    trailer = (DETAILS_TRAILER, status_of(error).SerializeToString())
    await context.abort(error.code, error.message, (*(context.trailing_metadata() or ()), trailer))


def rejecting_handler(error: RpcError) -> grpc.RpcMethodHandler[Any, Any]:
    """Return a handler that ends every call with an error, whatever the type of its method.

    It takes a stream, so that it does not wait for a request that may never arrive, or be large.
    """

    async def reject(
        requests: Any, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterable[Any]:
        await abort(context, error)
        yield

    return grpc.stream_stream_rpc_method_handler(reject)

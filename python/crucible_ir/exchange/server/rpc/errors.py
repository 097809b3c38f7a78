"""Errors on the wire: a status code with the typed details of ``google.rpc``."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any, Final, NoReturn

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from crucible_ir.errors import DecodeError, EncodeError, Error, ValidationError, Violation
from crucible_ir.exchange.store.errors import (
    DocumentNotFoundError,
    RequestIdReusedError,
    ResultTooLargeError,
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

#: The most violations that an error lists: trailers are limited to a few kilobytes.
MAX_VIOLATIONS = 20

#: The longest message, in characters, for the same reason.
MAX_MESSAGE = 1000

# Operators filter by this name, so it does not follow the module.
_log: Final = logging.getLogger("crucible_ir.exchange.server.errors")


class RpcError(Error):
    """Ends a call with a status other than OK.

    Attributes:
        code: The status code.
        message: The message for people.
        details: Typed details, messages of ``google.rpc``.
    """

    def __init__(
        self, code: grpc.StatusCode, message: str, details: Iterable[Message] = ()
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"
        self.details = list(details)


def invalid_argument(message: str, violations: Iterable[Violation]) -> RpcError:
    """Return the error for a request that breaks rules; the reasons are the ids of the rules."""
    broken = list(violations)
    fields = [
        error_details_pb2.BadRequest.FieldViolation(
            field=violation.path, description=violation.message, reason=violation.rule_id
        )
        for violation in broken[:MAX_VIOLATIONS]
    ]
    first = f": {broken[0]}" if broken else ""
    more = f", and {len(broken) - 1} more" if len(broken) > 1 else ""
    detail = error_details_pb2.BadRequest(field_violations=fields)
    return RpcError(grpc.StatusCode.INVALID_ARGUMENT, f"{message}{first}{more}", [detail])


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
        case DecodeError() | EncodeError():
            return field_violation(error.path, "readable", error.reason)
        case DocumentNotFoundError():
            return not_found(error.type, error.id, str(error))
        case StaleEtagError():
            subject = f"{error.type}/{error.id}"
            return failed_precondition("ETAG", subject, str(error), {"latest": error.latest})
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

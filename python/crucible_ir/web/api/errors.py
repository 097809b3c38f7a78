"""Errors of the Connect protocol: the JSON of a status, and its HTTP status."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.protobuf import json_format, symbol_database
from google.rpc.error_details_pb2 import QuotaFailure

if TYPE_CHECKING:
    from google.protobuf.any_pb2 import Any as AnyMessage
    from google.rpc.status_pb2 import Status

#: The HTTP status of each code.
HTTP_STATUSES: Final = {
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DATA_LOSS: 500,
    grpc.StatusCode.UNAUTHENTICATED: 401,
}

#: The codes by their numbers.
CODES: Final = {code.value[0]: code for code in grpc.StatusCode}

#: The limits that are free again soon: those of the caller and of the whole server.
_SHORT_LIMITS: Final = ("caller:", "server")

#: The seconds after which a rejected call may succeed.
_RETRY_SECONDS: Final = 1

_SPELLINGS: Final = {grpc.StatusCode.CANCELLED: "canceled"}


def code_name(code: grpc.StatusCode) -> str:
    """Return the name of a code in the Connect protocol.

    >>> code_name(grpc.StatusCode.NOT_FOUND), code_name(grpc.StatusCode.CANCELLED)
    ('not_found', 'canceled')
    """
    return _SPELLINGS.get(code, code.name.lower())


def error_values(status: Status) -> dict[str, Any]:
    """Return the JSON values of an error.

    Args:
        status: The status, whose code is not OK.
    """
    values: dict[str, Any] = {"code": code_name(CODES[status.code])}
    if status.message:
        values["message"] = status.message
    if status.details:
        values["details"] = list(map(_detail_values, status.details))
    return values


def retry_seconds(status: Status) -> int | None:
    """Return when a call may succeed that was rejected now; ``None`` if waiting does not help.

    Args:
        status: The status of the call.
    """
    code = CODES[status.code]
    if code is grpc.StatusCode.UNAVAILABLE:
        return _RETRY_SECONDS
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        for detail in status.details:
            failure = QuotaFailure()
            if detail.Unpack(failure) and any(
                violation.subject.startswith(_SHORT_LIMITS) for violation in failure.violations
            ):
                return _RETRY_SECONDS
    return None


def error_body(status: Status) -> bytes:
    """Return the body of a response with an error."""
    return json.dumps(error_values(status), ensure_ascii=False, separators=(",", ":")).encode()


def _detail_values(detail: AnyMessage) -> dict[str, Any]:
    name = detail.TypeName()
    values: dict[str, Any] = {
        "type": name,
        "value": base64.b64encode(detail.value).rstrip(b"=").decode(),
    }
    try:
        message = symbol_database.Default().GetSymbol(name)()
        if detail.Unpack(message):
            # For people and for programs without protobuf.
            values["debug"] = json_format.MessageToDict(message)
    except KeyError:
        pass
    return values

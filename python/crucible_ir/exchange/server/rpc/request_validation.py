"""Request validation: requests are checked before a service sees them, and errors get a status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from crucible_ir import native
from crucible_ir.exchange.request_guards import GUARDS
from crucible_ir.exchange.server.rpc.errors import MAX_VIOLATIONS, invalid_argument, translate
from crucible_ir.exchange.server.rpc.interceptor import Interceptor
from crucible_ir.schema.unknown_fields import reject_own_unreadable, reject_unreadable
from crucible_ir.validation.first_violations import first_violations

#: The methods that are checked; others, such as health checks, validate their own requests.
PREFIX = "/crucible_ir.exchange.v1."

#: The requests whose documents are stored, and are sent to implementations in other languages.
_WITH_DOCUMENTS: Final = frozenset(
    f"crucible_ir.exchange.v1.{name}"
    for name in ("PublishRequest", "BatchPublishRequest", "AppendMetricsRequest")
)

if TYPE_CHECKING:
    from crucible_ir.exchange.server.rpc.call_hooks import (
        CallHook,
        Context,
        ErrorTranslator,
        Handler,
    )


class ValidationInterceptor(Interceptor):
    """Rejects requests that break a rule, and gives every error its status and details.

    It must be the last interceptor, next to the services. Services check the requests of a stream
    themselves, since they may reject one and continue.
    """

    def hook(self, handler: Handler, method: str) -> CallHook | None:
        """Check the requests of a method."""
        is_checked = method.startswith(PREFIX) and not handler.request_streaming
        return _checked if is_checked else None

    def error_translator(self, method: str) -> ErrorTranslator:
        """Translate the errors of every method: gRPC would send the text of an exception."""
        return translate


def _checked(request: Any, context: Context) -> Any:
    check_request(request)
    return request


def check_request(request: Any) -> None:
    """Reject a request that breaks a rule, or whose document other implementations cannot read.

    Raises:
        RpcError: The request is invalid; the error lists the first violations.
        DecodeError: protobuf, or an implementation of it in another language, cannot read it.
    """
    has_document = request.DESCRIPTOR.full_name in _WITH_DOCUMENTS
    if has_document and native.is_valid(request):
        return
    if not _certainly_valid(request):
        # The request is checked on the event loop, so no more are listed than the error has.
        broken, omitted = first_violations(request, MAX_VIOLATIONS)
        if broken:
            raise invalid_argument("invalid request", broken, omitted)
    elif has_document:
        reject_unreadable(request)
    else:
        reject_own_unreadable(request)


def _certainly_valid(request: Any) -> bool:
    """Return whether the request's guard is certain; protovalidate decides about the others."""
    name = request.DESCRIPTOR.full_name
    try:
        return name in GUARDS and GUARDS[name](request)
    except Exception:
        return False

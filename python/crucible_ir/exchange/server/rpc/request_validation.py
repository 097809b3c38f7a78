"""The boundary of the services: requests are checked here, and errors become statuses here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

from crucible_ir.errors import ValidationError
from crucible_ir.exchange.request_guards import GUARDS
from crucible_ir.exchange.server.rpc.errors import translate
from crucible_ir.exchange.server.rpc.interceptor import Interceptor
from crucible_ir.validation.check import violations

#: The methods that are checked; others, such as those of health checks, answer for themselves.
PREFIX = "/crucible_ir.exchange.v1."

if TYPE_CHECKING:
    from crucible_ir.exchange.server.rpc.call_hooks import Enter, Explain

    # At run time grpc's classes take no type arguments.
    Handler = grpc.RpcMethodHandler[Any, Any]
    Context = grpc.aio.ServicerContext[Any, Any]


class ValidationInterceptor(Interceptor):
    """Holds requests to their rules and gives every error its status and details.

    It has to be the last interceptor, next to the services. A request of a stream is held to its
    rules by its service, which may refuse it and go on.
    """

    def entry(self, handler: Handler, method: str) -> Enter | None:
        """Check the requests of a method."""
        is_checked = method.startswith(PREFIX) and not handler.request_streaming
        return _checked if is_checked else None

    def explanation(self, method: str) -> Explain | None:
        """Return what callers are told of the errors in the calls of a method."""
        return translate if method.startswith(PREFIX) else None


def _checked(request: Any, context: Context) -> Any:
    check_request(request)
    return request


def check_request(request: Any) -> None:
    """Refuse a request that breaks a rule.

    Raises:
        ValidationError: It does; the error lists every violation.
    """
    if _certainly_valid(request):
        return
    broken = violations(request)
    if broken:
        raise ValidationError(request.DESCRIPTOR.full_name, broken)


def _certainly_valid(request: Any) -> bool:
    """Tell whether the guard of a request is certain; protovalidate is asked about the others."""
    name = request.DESCRIPTOR.full_name
    try:
        return name in GUARDS and GUARDS[name](request)
    except Exception:
        return False

"""Observing calls: each one is reported to the log, the metrics and the traces."""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import grpc
import grpc.aio

from crucible_ir.exchange.server.rpc.call_context import CALL, CallInfo, current_caller
from crucible_ir.exchange.server.rpc.call_hooks import on_done
from crucible_ir.exchange.server.rpc.interceptor import Interceptor

if TYPE_CHECKING:
    from crucible_ir.exchange.server.rpc.call_hooks import CallHook, Context, Handler

#: The metadata key of a request id, in a call and in its trailers.
REQUEST_ID_KEY: Final = "x-request-id"

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


#: Generated ids must be unique but need not be hard to guess: they are a random prefix of this
#: process and a number.
_PROCESS: Final = secrets.token_hex(8)
_calls: Final = itertools.count()


class Observer:
    """Receives the events of calls; by default it ignores them."""

    def begin(self, call: CallInfo) -> None:
        """Observe the start of a call, in its task."""

    def end(self, call: CallInfo) -> None:
        """Observe the end of a call, possibly outside its task."""

    def not_begun(self, call: CallInfo) -> None:
        """Observe a call that ended before it began.

        The client gave up before the request arrived; or gRPC rejected the request, because it is
        far too large or cannot be decompressed, or the call, because there are too many. gRPC does
        not report which.
        """

    def unknown_method(self, method: str, protocol: str) -> None:
        """Observe a call to a method that does not exist."""


class ObservingInterceptor(Interceptor):
    """Gives each call an id, and reports it to observers. It must be the outermost interceptor.

    Args:
        observers: The observers.
        caller_of: Returns the name of the caller; by default the authenticated one.
    """

    def __init__(
        self,
        observers: Sequence[Observer],
        caller_of: Callable[[Context], str | None] = lambda _: current_caller().name,
    ) -> None:
        self._observers = tuple(observers)
        self._caller_of = caller_of

    def admit(self, details: grpc.HandlerCallDetails) -> None:
        """Give a call its id."""
        metadata: Any = details.invocation_metadata or ()
        call = CallInfo(
            details.method,
            request_id_of(metadata),
            metadata,
            time.perf_counter(),
            protocol=_protocol_of(details),
        )
        CALL.set(call)
        task = asyncio.current_task()
        if task is not None:
            # The task of the whole call: gRPC reports the end of a call that has not begun in no
            # other way.
            task.add_done_callback(lambda _: self._report_not_begun(call))

    def hook(self, handler: Handler, method: str) -> CallHook:
        """Observe the calls of a method."""
        return self._begin

    def unknown_method(self, details: grpc.HandlerCallDetails) -> None:
        """Report a call to a method that does not exist."""
        for observer in self._observers:
            observer.unknown_method(details.method, _protocol_of(details))

    def _report_not_begun(self, call: CallInfo) -> None:
        if not call.has_begun:
            for observer in self._observers:
                observer.not_begun(call)

    def _begin(self, request: Any, context: Context) -> Any:
        call = CALL.get()
        assert call is not None, "a call is admitted before it begins"
        call.has_begun = True
        call.peer = context.peer()
        call.caller = self._caller_of(context)
        context.set_trailing_metadata(((REQUEST_ID_KEY, call.request_id),))
        on_done(context, lambda ended: self._end(call, ended))
        for observer in self._observers:
            observer.begin(call)
        return request

    def _end(self, call: CallInfo, context: Any) -> None:
        call.seconds = time.perf_counter() - call.started
        call.code = _code_of(context)
        for observer in self._observers:
            observer.end(call)


def _protocol_of(details: grpc.HandlerCallDetails) -> str:
    """Return the protocol of a call; empty for gRPC, whose details have none."""
    return getattr(details, "protocol", "")


def request_id_of(metadata: Sequence[tuple[str, Any]]) -> str:
    """Return the id in a call's metadata if it is safe to log, or else a new one."""
    for key, value in metadata:
        if key == REQUEST_ID_KEY and isinstance(value, str) and _REQUEST_ID.fullmatch(value):
            return value
    return f"{_PROCESS}{next(_calls):016x}"


def _code_of(context: Any) -> grpc.StatusCode:
    """Return the final status code of a call."""
    code = context.code()
    if isinstance(code, grpc.StatusCode):
        return code
    if context.done():
        return grpc.StatusCode.OK
    remaining = context.time_remaining()
    expired = remaining is not None and remaining <= 0
    return grpc.StatusCode.DEADLINE_EXCEEDED if expired else grpc.StatusCode.CANCELLED

"""Watching calls from the outside: each one is told to those who log, count and trace."""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

import grpc
import grpc.aio

from crucible_ir.exchange.server.rpc.call_context import CALL, CallInfo, current_caller
from crucible_ir.exchange.server.rpc.call_hooks import when_done
from crucible_ir.exchange.server.rpc.interceptor import Interceptor

if TYPE_CHECKING:
    from crucible_ir.exchange.server.rpc.call_hooks import Enter

    Handler = grpc.RpcMethodHandler[Any, Any]
    Context = grpc.aio.ServicerContext[Any, Any]

#: The metadata key of a request's id, in a call and in its answer.
REQUEST_ID_KEY: Final = "x-request-id"

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


#: Ids have to differ and need not be hard to guess: they are made of what this process drew once,
#: and a number.
_PROCESS: Final = secrets.token_hex(8)
_calls: Final = itertools.count()


class Observer(Protocol):
    """Is told of calls."""

    def begin(self, call: CallInfo) -> None:
        """Learn of a call that begins; this runs in its task."""

    def end(self, call: CallInfo) -> None:
        """Learn how a call ended; this need not run in its task."""

    def lost(self, call: CallInfo) -> None:
        """Learn of a call that ended before it began.

        Its client gave up before the request had come; or gRPC refused the request, as one that is
        far too large or cannot be decompressed, or the call, as one too many. gRPC does not say
        which.
        """

    def unknown(self, method: str) -> None:
        """Learn of a call to a method that does not exist."""


class ObservingInterceptor(Interceptor):
    """Gives each call an id, and tells observers of it. It stands outside all other interceptors.

    Args:
        observers: Whom to tell.
        caller_of: Returns the name of the caller.
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
        call = CallInfo(details.method, request_id_of(metadata), metadata, time.perf_counter())
        CALL.set(call)
        task = asyncio.current_task()
        if task is not None:
            # That of the whole call: gRPC has no other way to tell of its end before it begins.
            task.add_done_callback(lambda _: self._lose(call))

    def entry(self, handler: Handler, method: str) -> Enter:
        """Watch the calls of a method."""
        return self._begin

    def miss(self, details: grpc.HandlerCallDetails) -> None:
        """Tell of a call to a method that does not exist."""
        for observer in self._observers:
            observer.unknown(details.method)

    def _lose(self, call: CallInfo) -> None:
        if not call.has_begun:
            for observer in self._observers:
                observer.lost(call)

    def _begin(self, request: Any, context: Context) -> Any:
        call = CALL.get()
        assert call is not None, "a call is admitted before it begins"
        call.has_begun = True
        call.peer = context.peer()
        call.caller = self._caller_of(context)
        context.set_trailing_metadata(((REQUEST_ID_KEY, call.request_id),))
        when_done(context, lambda ended: self._end(call, ended))
        for observer in self._observers:
            observer.begin(call)
        return request

    def _end(self, call: CallInfo, context: Any) -> None:
        call.seconds = time.perf_counter() - call.started
        call.code = _code_of(context)
        for observer in self._observers:
            observer.end(call)


def request_id_of(metadata: Sequence[tuple[str, Any]]) -> str:
    """Return the id that a call brings, if it is fit for a line of a log, or else a new one."""
    for key, value in metadata:
        if key == REQUEST_ID_KEY and isinstance(value, str) and _REQUEST_ID.fullmatch(value):
            return value
    return f"{_PROCESS}{next(_calls):016x}"


def _code_of(context: Any) -> grpc.StatusCode:
    """Return how a call ended."""
    code = context.code()
    if isinstance(code, grpc.StatusCode):
        return code
    if context.done():
        return grpc.StatusCode.OK
    remaining = context.time_remaining()
    late = remaining is not None and remaining <= 0
    return grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED

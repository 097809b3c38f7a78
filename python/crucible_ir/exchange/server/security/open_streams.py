"""Streams in progress: each ends when the credentials of its caller are no longer valid."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

from crucible_ir.exchange.server.rpc.call_hooks import behavior_of, with_behavior
from crucible_ir.exchange.server.rpc.errors import RpcError

if TYPE_CHECKING:
    from crucible_ir.exchange.server.rpc.call_hooks import Context, Handler

    #: Raises `RpcError` if credentials are no longer valid.
    Check = Callable[[], None]

#: The time between two checks of all streams, in seconds.
CHECK_SECONDS: Final = 1.0


class OpenStreams:
    """Checks the callers of streams: before each message, and all of them from time to time.

    Args:
        refresh: Reads the credentials again if they changed; it raises `RpcError` if that fails.
    """

    def __init__(self, refresh: Check) -> None:
        self._refresh = refresh
        self._streams: dict[asyncio.Task[Any], _Stream] = {}

    def guard(self, handler: Handler, check_of: Callable[[Context], Check]) -> Handler:
        """Return a handler whose streams end with the error of a check that fails.

        Args:
            handler: The handler of a method with a stream.
            check_of: Returns the check of a call's credentials; it runs in the task of the call.
        """
        behavior = behavior_of(handler)
        generates = inspect.isasyncgenfunction(behavior)

        async def guarded(request: Any, context: Context) -> Any:
            task = asyncio.current_task()
            assert task is not None, "a coroutine runs in a task"
            check = check_of(context)
            stream = self._streams[task] = _Stream(check)

            def check_now() -> None:
                self._refresh()
                check()

            if handler.request_streaming:
                request = _CheckedRequests(request, check_now)
            checked: Any = _CheckedContext(context, check_now)
            try:
                if not generates:
                    return await behavior(request, checked)
                # The responses are sent here: gRPC would end a stream that is cancelled while it
                # sends a generated response without its error.
                async with aclosing(behavior(request, checked)) as responses:
                    async for response in responses:
                        await checked.write(response)
                return None
            except asyncio.CancelledError:
                if stream.error is None or task.uncancel():
                    # Something else cancelled the task as well.
                    raise
            finally:
                del self._streams[task]
            raise stream.error

        return with_behavior(handler, guarded)

    def check_all(self) -> None:
        """End the streams whose credentials are no longer valid."""
        if not self._streams:
            return
        unreadable = _error_of(self._refresh)
        for task, stream in self._streams.items():
            if stream.error is None:
                stream.error = unreadable or _error_of(stream.check)
                if stream.error is not None:
                    task.cancel()


class _Stream:
    """A stream in progress: its check, and the error that ends it."""

    __slots__ = ("check", "error")

    def __init__(self, check: Check) -> None:
        self.check = check
        self.error: RpcError | None = None


class _CheckedRequests:
    """Requests of a stream, each after a check."""

    def __init__(self, requests: AsyncIterator[Any], check: Check) -> None:
        self._requests = aiter(requests)
        self._check = check

    def __aiter__(self) -> _CheckedRequests:
        return self

    async def __anext__(self) -> Any:
        request = await anext(self._requests)
        self._check()
        return request


class _CheckedContext:
    """The context of a call that checks before it sends a message."""

    def __init__(self, context: Context, check: Check) -> None:
        self._context = context
        self._check = check

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def write(self, message: Any) -> Awaitable[None]:
        self._check()
        return self._context.write(message)


def _error_of(check: Check) -> RpcError | None:
    try:
        check()
    except RpcError as error:
        return error
    return None

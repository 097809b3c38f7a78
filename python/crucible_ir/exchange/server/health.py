"""gRPC's standard health service: liveness, and readiness as far as the store answers."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from crucible_ir.exchange.server.rpc import errors
from crucible_ir.exchange.server.security.limits import host_of
from crucible_ir.extras import optional_module

if TYPE_CHECKING:
    import grpc.aio

    from crucible_ir.exchange.server.rpc.call_hooks import Context

_log: Final = logging.getLogger(__name__)

#: The service whose health says whether the process answers at all.
LIVENESS: Final = "liveness"

#: The services whose health says whether the server can do its work. The empty name is the standard
#: one for a whole server.
READINESS: Final = ("", "readiness")

#: The time between two checks of the store, and the time that one may take, in seconds.
CHECK_SECONDS: Final = 1.0
CHECK_TIMEOUT_SECONDS: Final = 1.0

#: Watches of the health need no token, and keep a connection open. So they may take only a part of
#: the connections: one in so many in all, and for each address.
_SHARE_OF_ALL: Final = 4
_SHARE_OF_ADDRESS: Final = 16


class StoreMonitor:
    """Checks all the time whether the store answers.

    Args:
        check: Raises an exception if the store cannot be used.
        report: Called at the start and after each change, with whether the store can be used.

    Attributes:
        is_up: Whether the store answered the last check.
    """

    def __init__(
        self, check: Callable[[], Awaitable[None]], report: Callable[[bool], Awaitable[None]]
    ) -> None:
        self._check = check
        self._report = report
        self.is_up = True
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Check the store once, and then from time to time."""
        await self._report(self.is_up)
        started = asyncio.Event()
        self._task = asyncio.create_task(self._run(started))
        await started.wait()

    async def close(self) -> None:
        """Stop checking."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self, started: asyncio.Event) -> None:
        while True:
            checking = asyncio.ensure_future(self._check())
            await asyncio.wait({checking}, timeout=CHECK_TIMEOUT_SECONDS)
            if not checking.done():
                await self._set(f"no answer in {CHECK_TIMEOUT_SECONDS:g} seconds")
            started.set()
            # A check that hangs is not followed by others, which would hang as well.
            try:
                await checking
            except Exception as error:
                await self._set(str(error) or type(error).__name__)
            else:
                await self._set(None)
            await asyncio.sleep(CHECK_SECONDS)

    async def _set(self, problem: str | None) -> None:
        is_up = problem is None
        if is_up == self.is_up:
            return
        self.is_up = is_up
        if is_up:
            _log.info("the store answers again")
        else:
            _log.error("the store cannot be used: %s", problem)
        await self._report(is_up)


class Health:
    """The standard health service.

    Args:
        services: The full names of the services that need the store.
        independent: The full names of the other services.
        connections: The most connections of the server, of which watches may take a part.

    Raises:
        MissingExtraError: The extra ``health`` is not installed.
    """

    def __init__(
        self, services: Collection[str], independent: Collection[str], connections: int
    ) -> None:
        messages = optional_module("grpc_health.v1.health_pb2", "health")
        self._statuses: Any = messages.HealthCheckResponse
        self._stubs = optional_module("grpc_health.v1.health_pb2_grpc", "health")
        servicers = optional_module("grpc_health.v1.health", "health").aio
        self._servicer = _limited(servicers.HealthServicer, connections)
        self._dependent = (*READINESS, *services)
        self._independent = tuple(independent)
        self._is_stopping = False

    def register(self, server: grpc.aio.Server) -> None:
        """Add the service to a server."""
        self._stubs.add_HealthServicer_to_server(self._servicer, server)

    async def start(self) -> None:
        """Report that the server lives."""
        await self._set((LIVENESS, *self._independent), is_serving=True)

    async def report(self, is_up: bool) -> None:
        """Report whether the services that need the store are serving."""
        if not self._is_stopping:
            await self._set(self._dependent, is_serving=is_up)

    async def stop(self) -> None:
        """Report that no service is serving any more; the server still lives."""
        self._is_stopping = True
        await self._set((*self._dependent, *self._independent), is_serving=False)

    async def _set(self, names: Collection[str], *, is_serving: bool) -> None:
        status = self._statuses.SERVING if is_serving else self._statuses.NOT_SERVING
        for name in names:
            await self._servicer.set(name, status)


def _limited(servicer: Any, connections: int) -> Any:
    """Return a health servicer with limits on its watches."""
    most = max(1, connections // _SHARE_OF_ALL)
    most_of_host = max(1, connections // _SHARE_OF_ADDRESS)
    watches: Counter[str] = Counter()

    class Limited(servicer):  # type: ignore[misc]
        async def Watch(self, request: Any, context: Context) -> None:
            host = host_of(context.peer())
            if watches[host] >= most_of_host or watches.total() >= most:
                raise errors.quota("health", "too many watches of the health; use Check")
            watches[host] += 1
            try:
                await super().Watch(request, context)
            finally:
                watches[host] -= 1
                if not watches[host]:
                    del watches[host]

    return Limited()

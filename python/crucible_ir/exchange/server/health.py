"""gRPC's standard health service: liveness, and readiness as far as the store answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

from crucible_ir.exchange.server.rpc import errors
from crucible_ir.exchange.server.security.limits import host_of
from crucible_ir.extras import optional_module

if TYPE_CHECKING:
    import grpc.aio

    from crucible_ir.exchange.server.rpc.call_hooks import Context

#: The service whose health says whether the process answers at all.
LIVENESS: Final = "liveness"

#: The services whose health says whether the server can do its work. The empty name is the standard
#: one for a whole server.
READINESS: Final = ("", "readiness")

#: Watches of the health need no token, and keep a connection open. So they may take only a part of
#: the connections: one in so many in all, and for each address.
_SHARE_OF_ALL: Final = 4
_SHARE_OF_ADDRESS: Final = 16


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

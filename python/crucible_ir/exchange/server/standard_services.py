"""gRPC's standard services: health for load balancers and orchestrators, reflection for tools."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from crucible_ir.extras import optional_module

if TYPE_CHECKING:
    import grpc.aio


#: The methods that need no credentials: a load balancer checks a server's health without a token.
OPEN_METHODS: Final = frozenset({"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"})


class Health:
    """Reports that services are serving, until the server begins to stop.

    Args:
        services: The full names of the services.

    Raises:
        MissingExtraError: The extra ``health`` is not installed.
    """

    def __init__(self, services: Iterable[str]) -> None:
        self._messages = optional_module("grpc_health.v1.health_pb2", "health")
        self._stubs = optional_module("grpc_health.v1.health_pb2_grpc", "health")
        self._servicer = optional_module("grpc_health.v1.health", "health").aio.HealthServicer()
        # The empty name is the server itself.
        self._services = ("", *services)

    def register(self, server: grpc.aio.Server) -> None:
        """Add the service to a server."""
        self._stubs.add_HealthServicer_to_server(self._servicer, server)

    async def start(self) -> None:
        """Report that the services are serving."""
        for service in self._services:
            await self._servicer.set(service, self._messages.HealthCheckResponse.SERVING)

    async def stop(self) -> None:
        """Report that the services are not serving."""
        await self._servicer.enter_graceful_shutdown()


def register_reflection(server: grpc.aio.Server, services: Iterable[str]) -> None:
    """Add the reflection service to a server.

    Args:
        server: The server.
        services: The full names of the services to describe, in addition to reflection itself.

    Raises:
        MissingExtraError: The extra ``reflection`` is not installed.
    """
    reflection = optional_module("grpc_reflection.v1alpha.reflection", "reflection")
    reflection.enable_server_reflection((*services, reflection.SERVICE_NAME), server)

"""gRPC's standard services: the methods that need no token, and reflection for tools."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from crucible_ir.extras import optional_module

if TYPE_CHECKING:
    import grpc.aio


#: The methods that need no credentials: a load balancer checks a server's health without a token.
OPEN_METHODS: Final = frozenset({"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"})


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

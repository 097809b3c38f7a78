"""The standard reflection service, by which tools learn the schema from a running server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from crucible_ir.extras import optional_module

if TYPE_CHECKING:
    import grpc.aio


def register_reflection(server: grpc.aio.Server, services: Iterable[str]) -> None:
    """Add the service to a server.

    Args:
        server: The server.
        services: The full names of the services to tell of, beside reflection itself.

    Raises:
        MissingExtraError: The extra ``reflection`` is not installed.
    """
    reflection = optional_module("grpc_reflection.v1alpha.reflection", "reflection")
    reflection.enable_server_reflection((*services, reflection.SERVICE_NAME), server)

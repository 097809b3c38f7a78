"""The routes of the HTTP API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import BaseRoute, Route

from crucible_ir.exchange.server.services.registration import service_descriptors
from crucible_ir.web.api.connect import ConnectService

if TYPE_CHECKING:
    from crucible_ir.exchange.server.rpc.in_process import InProcessCalls
    from crucible_ir.exchange.server.security.limits import CallLimits


def api_routes(
    calls: InProcessCalls, limits: CallLimits, *, write_seconds: float
) -> list[BaseRoute]:
    """Return the routes of the HTTP API.

    Args:
        calls: The handlers of the exchange.
        limits: The limits of the server.
        write_seconds: How long a client may take to receive a message.
    """
    return [
        Route(
            f"/{service.full_name}/{{method}}",
            ConnectService(calls, service, limits, write_seconds),
        )
        for service in service_descriptors()
    ]

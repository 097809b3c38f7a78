"""The routes of the HTTP API."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.routing import BaseRoute, Route

from crucible_ir.exchange.server.services.registration import service_descriptors
from crucible_ir.web.api.connect import PACKAGE, ConnectService, UnknownMethods
from crucible_ir.web.api.description import OpenApiEndpoint
from crucible_ir.web.api.feedback import FeedbackEndpoint
from crucible_ir.web.api.openapi import FEEDBACK_PATH, OPENAPI_PATH

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from crucible_ir.exchange.server.rpc.in_process import Calls
    from crucible_ir.exchange.server.security.limits import CallLimits


def api_routes(
    calls: Calls,
    limits: CallLimits,
    *,
    write_seconds: float,
    requires_token: bool,
    guard: Callable[[ASGIApp], ASGIApp] = lambda app: app,
) -> list[BaseRoute]:
    """Return the routes of the HTTP API.

    Args:
        calls: The handlers of the exchange.
        limits: The limits of the server.
        write_seconds: How long a client may take to receive a message.
        requires_token: Whether callers must send a token.
        guard: Wraps the application of each route.
    """
    services: dict[str, ASGIApp] = {
        f"/{service.full_name}/{{method}}": ConnectService(calls, service, limits, write_seconds)
        for service in service_descriptors()
    }
    others: dict[str, ASGIApp] = {
        f"/{PACKAGE}.{{method:path}}": UnknownMethods(calls, write_seconds),
        FEEDBACK_PATH: FeedbackEndpoint(calls, limits, write_seconds),
        OPENAPI_PATH: OpenApiEndpoint(requires_token=requires_token, write_seconds=write_seconds),
    }
    return [Route(path, guard(app)) for path, app in {**services, **others}.items()]

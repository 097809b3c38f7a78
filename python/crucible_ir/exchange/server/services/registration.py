"""The services together: made from a store, registered with a server, drained and closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

import grpc
import grpc.aio
from google.protobuf.descriptor import FileDescriptor

from crucible_ir.exchange.server.options import Settings
from crucible_ir.exchange.server.rpc.call_hooks import behavior_of, remade
from crucible_ir.exchange.server.rpc.drain import Draining
from crucible_ir.exchange.server.services.change_broadcaster import ChangeBroadcaster
from crucible_ir.exchange.server.services.exchange_service import ExchangeService
from crucible_ir.exchange.server.services.feedback_service import FeedbackService
from crucible_ir.exchange.server.services.ingest_batches import ReceivedBatch
from crucible_ir.exchange.server.services.retention import Retention
from crucible_ir.exchange.server.services.validation_service import ValidationService
from crucible_ir.exchange.store import Store
from crucible_ir.exchange.v1 import (
    exchange_service_pb2,
    exchange_service_pb2_grpc,
    feedback_service_pb2,
    feedback_service_pb2_grpc,
    validation_service_pb2,
    validation_service_pb2_grpc,
)

if TYPE_CHECKING:
    # At run time the class takes no parameters.
    Handler = grpc.RpcMethodHandler[Any, Any]

_FILES: tuple[FileDescriptor, ...] = (
    exchange_service_pb2.DESCRIPTOR,
    feedback_service_pb2.DESCRIPTOR,
    validation_service_pb2.DESCRIPTOR,
)


def service_names() -> list[str]:
    """Return the full name of every service."""
    return [service.full_name for file in _FILES for service in file.services_by_name.values()]


def method_names() -> list[str]:
    """Return every method as it is called on the wire, ``/package.Service/Method``."""
    return [
        f"/{service.full_name}/{method.name}"
        for file in _FILES
        for service in file.services_by_name.values()
        for method in service.methods
    ]


#: What reads the requests of methods whose services want more than the message.
_READERS: Final[dict[str, dict[str, Callable[[bytes], object]]]] = {
    "crucible_ir.exchange.v1.FeedbackService": {"Ingest": ReceivedBatch.read}
}

#: What writes the responses of methods whose services return them written already.
_WRITERS: Final[dict[str, dict[str, Callable[[Any], bytes]]]] = {
    "crucible_ir.exchange.v1.ExchangeService": {"Get": bytes}
}


class FoundByName:
    """Stands for a server to which services are added that it looks up when they are called.

    Generated code also registers each method with gRPC's core. The server then waits for the next
    call of each of them by itself, and again for all of them after every call, which costs more
    than looking up a name.

    Args:
        server: The server.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Wait for the same handlers by their names."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Handler]) -> None:
        """Add the methods of a service."""
        for name, read in _READERS.get(service, {}).items():
            handlers[name] = remade(handlers[name], behavior_of(handlers[name]), read)
        for name, write in _WRITERS.get(service, {}).items():
            handlers[name] = remade(handlers[name], behavior_of(handlers[name]), write=write)
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, handlers),)
        )


class Services:
    """The services of the exchange on one store, which they do not close."""

    def __init__(self, store: Store, settings: Settings | None = None) -> None:
        self._store = store
        self._settings = settings or Settings()
        self._draining = Draining()
        self._broadcaster = ChangeBroadcaster(store, self._settings)
        self._retention = Retention(store, self._settings)

    def register(self, server: grpc.aio.Server) -> None:
        """Add every service to a server, which needs a `ValidationInterceptor` as its last."""
        server = cast("grpc.aio.Server", FoundByName(server))
        exchange_service_pb2_grpc.add_ExchangeServiceServicer_to_server(
            ExchangeService(self._store, self._broadcaster, self._settings, self._draining), server
        )
        feedback_service_pb2_grpc.add_FeedbackServiceServicer_to_server(
            FeedbackService(self._store, self._settings, self._draining), server
        )
        validation_service_pb2_grpc.add_ValidationServiceServicer_to_server(
            ValidationService(), server
        )

    async def start(self) -> None:
        """Begin to follow the store's changes; before the server starts."""
        await self._broadcaster.start()
        self._retention.start()

    def drain(self) -> None:
        """Ask every stream to end: what is held is answered, and nothing more is read."""
        self._draining.begin()

    async def close(self) -> None:
        """Stop what runs beside the calls; after the server stopped."""
        await self._retention.close()
        await self._broadcaster.close()

"""All services together: created on a store, registered with a server, drained and closed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import grpc
import grpc.aio
from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor

from crucible_ir.exchange.server.options import Settings
from crucible_ir.exchange.server.personal_data.handling import PersonalData
from crucible_ir.exchange.server.rpc.call_hooks import behavior_of, with_behavior
from crucible_ir.exchange.server.rpc.drain import Draining
from crucible_ir.exchange.server.services.audit_service import AuditService
from crucible_ir.exchange.server.services.change_broadcaster import ChangeBroadcaster
from crucible_ir.exchange.server.services.exchange_service import ExchangeService
from crucible_ir.exchange.server.services.feedback_service import FeedbackService
from crucible_ir.exchange.server.services.ingest_batches import ReceivedBatch
from crucible_ir.exchange.server.services.measures import service_measures
from crucible_ir.exchange.server.services.page_tokens import PageTokens
from crucible_ir.exchange.server.services.retention import Retention
from crucible_ir.exchange.server.services.rolling_up import RollingUp
from crucible_ir.exchange.server.services.validation_service import ValidationService
from crucible_ir.exchange.server.services.workers import Workers
from crucible_ir.exchange.store import Store
from crucible_ir.exchange.store.audit_records import SERVER, AuditAction
from crucible_ir.exchange.store.errors import StoreFailure
from crucible_ir.exchange.v1 import (
    audit_service_pb2,
    audit_service_pb2_grpc,
    exchange_service_pb2,
    exchange_service_pb2_grpc,
    feedback_service_pb2,
    feedback_service_pb2_grpc,
    validation_service_pb2,
    validation_service_pb2_grpc,
)

if TYPE_CHECKING:
    from crucible_ir.exchange.server.observability.measures import Measure
    from crucible_ir.exchange.server.rpc.call_hooks import Handler
    from crucible_ir.exchange.store.engine.statistics import Measurements

_log: Final = logging.getLogger(__name__)

_FILES: tuple[FileDescriptor, ...] = (
    audit_service_pb2.DESCRIPTOR,
    exchange_service_pb2.DESCRIPTOR,
    feedback_service_pb2.DESCRIPTOR,
    validation_service_pb2.DESCRIPTOR,
)


def service_descriptors() -> list[ServiceDescriptor]:
    """Return every service."""
    return [service for file in _FILES for service in file.services_by_name.values()]


def service_names() -> list[str]:
    """Return the full name of every service."""
    return [service.full_name for service in service_descriptors()]


def method_names() -> list[str]:
    """Return the full name of every method, ``/package.Service/Method``."""
    return [
        f"/{service.full_name}/{method.name}"
        for service in service_descriptors()
        for method in service.methods
    ]


#: The deserializers of methods whose services need more than the request message.
_DESERIALIZERS: Final[dict[str, dict[str, Callable[[bytes], object]]]] = {
    "crucible_ir.exchange.v1.FeedbackService": {"Ingest": ReceivedBatch.parse}
}

#: The serializers of methods whose services return serialized responses.
_SERIALIZERS: Final[dict[str, dict[str, Callable[[Any], bytes]]]] = {
    "crucible_ir.exchange.v1.ExchangeService": {"Get": bytes}
}


class GenericRegistration:
    """Adds services to a server as generic handlers, which are looked up by name for each call.

    Generated code also registers each method with gRPC's core. The server then waits for the next
    call of each method separately, and after every call for all of them again, which costs more
    than looking up a name.

    Args:
        server: The server.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Ignore the handlers: `add_registered_method_handlers` gets the same ones."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Handler]) -> None:
        """Add the methods of a service."""
        for name, read in _DESERIALIZERS.get(service, {}).items():
            handlers[name] = with_behavior(handlers[name], behavior_of(handlers[name]), read)
        for name, write in _SERIALIZERS.get(service, {}).items():
            handlers[name] = with_behavior(
                handlers[name], behavior_of(handlers[name]), serialize=write
            )
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, handlers),)
        )


class Services:
    """The services of the exchange on one store; closing them does not close the store."""

    #: The services that work without the store.
    independent = (
        validation_service_pb2.DESCRIPTOR.services_by_name["ValidationService"].full_name,
    )

    def __init__(self, store: Store, settings: Settings | None = None) -> None:
        self._store = store
        self._settings = settings or Settings()
        self._draining = Draining()
        self._broadcaster = ChangeBroadcaster(store, self._settings)
        self._retention = Retention(store, self._settings)
        self._rolling_up = RollingUp(store)
        self._workers = Workers(self._settings.validation_bytes)
        self._page_tokens = PageTokens(store, self._broadcaster)
        self._measured: Measurements | None = None
        self._audits: set[asyncio.Task[None]] = set()
        self._personal_data = PersonalData(store, self._settings)

    def register(self, server: grpc.aio.Server) -> None:
        """Add every service to a server, whose last interceptor must be `ValidationInterceptor`."""
        server = cast("grpc.aio.Server", GenericRegistration(server))
        exchange_service_pb2_grpc.add_ExchangeServiceServicer_to_server(
            ExchangeService(
                self._store,
                self._broadcaster,
                self._settings,
                self._draining,
                self._page_tokens,
            ),
            server,
        )
        feedback_service_pb2_grpc.add_FeedbackServiceServicer_to_server(
            FeedbackService(
                self._store,
                self._settings,
                self._draining,
                self._page_tokens,
                self._personal_data,
            ),
            server,
        )
        audit_service_pb2_grpc.add_AuditServiceServicer_to_server(
            AuditService(self._store, self._page_tokens), server
        )
        validation_service_pb2_grpc.add_ValidationServiceServicer_to_server(
            ValidationService(self._workers), server
        )

    async def start(self) -> None:
        """Start background tasks; call it before the server starts."""
        await self._broadcaster.start()
        self._retention.start()
        await self._personal_data.start()
        self._rolling_up.start()

    async def check(self) -> None:
        """Check that the store answers.

        Raises:
            StoreFailure: It cannot be used.
        """
        with self._forgetting():
            await self._store.check()

    async def measure(self) -> None:
        """Measure the store, for `measures`.

        Raises:
            StoreFailure: It cannot be measured.
        """
        with self._forgetting():
            self._measured = await self._store.measure()

    @contextmanager
    def _forgetting(self) -> Iterator[None]:
        """Forget the measurements of a store that fails."""
        try:
            yield
        except BaseException:
            self._measured = None
            raise

    def measures(self) -> list[Measure]:
        """Return what to show among the metrics."""
        return service_measures(
            self._store,
            lambda: self._measured,
            self._broadcaster,
            self._retention,
            self._workers,
            self._settings,
        )

    def drain(self) -> None:
        """End streams gracefully: read no new requests, and answer those that were read."""
        self._draining.begin()

    def credentials_changed(self, counts: Mapping[str, int], details: Mapping[str, str]) -> None:
        """Record in the audit log that the server noticed other credentials."""
        task = asyncio.create_task(self._audit_credentials(counts, details))
        self._audits.add(task)
        task.add_done_callback(self._audits.discard)

    async def _audit_credentials(
        self, counts: Mapping[str, int], details: Mapping[str, str]
    ) -> None:
        try:
            await self._store.audit(
                AuditAction.CREDENTIALS_CHANGED, SERVER, counts=counts, details=details
            )
        except StoreFailure as error:
            _log.error("cannot write to the audit log that credentials have changed: %s", error)

    async def close(self) -> None:
        """Stop background tasks; call it after the server has stopped."""
        await self._personal_data.expiry.close()
        if self._audits:
            await asyncio.wait(self._audits)
        await self._rolling_up.close()
        await self._retention.close()
        await self._broadcaster.close()
        self._workers.close()

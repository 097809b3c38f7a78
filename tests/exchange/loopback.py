"""A server of the exchange in the process of the test, and stubs for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import grpc
import grpc.aio
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.options import Settings
from crucible_ir.exchange.server.rpc.call_context import CALLER, Caller
from crucible_ir.exchange.server.rpc.interceptor import InterceptorChain
from crucible_ir.exchange.server.rpc.request_validation import ValidationInterceptor
from crucible_ir.exchange.server.services.registration import Services
from crucible_ir.exchange.store import Store
from crucible_ir.exchange.v1.audit_service_pb2_grpc import AuditServiceStub
from crucible_ir.exchange.v1.exchange_service_pb2_grpc import ExchangeServiceStub
from crucible_ir.exchange.v1.feedback_service_pb2_grpc import FeedbackServiceStub
from crucible_ir.exchange.v1.validation_service_pb2_grpc import ValidationServiceStub
from crucible_ir.schema.types import document_members

if TYPE_CHECKING:
    from crucible_ir.exchange.v1.audit_service_pb2_grpc import AuditServiceAsyncStub
    from crucible_ir.exchange.v1.exchange_service_pb2_grpc import ExchangeServiceAsyncStub
    from crucible_ir.exchange.v1.feedback_service_pb2_grpc import FeedbackServiceAsyncStub
    from crucible_ir.exchange.v1.validation_service_pb2_grpc import ValidationServiceAsyncStub

Interceptor = grpc.aio.ServerInterceptor

DETAILS = (
    error_details_pb2.BadRequest,
    error_details_pb2.PreconditionFailure,
    error_details_pb2.ResourceInfo,
    error_details_pb2.QuotaFailure,
    error_details_pb2.ErrorInfo,
)


#: Options of a channel that reads ahead as little as possible; by default the transport buffers
#: megabytes.
NARROW = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65535)]


@dataclass
class Loopback:
    """A running server and stubs for its services."""

    services: Services
    port: int
    exchange: ExchangeServiceAsyncStub
    feedback: FeedbackServiceAsyncStub
    validation: ValidationServiceAsyncStub
    audit: AuditServiceAsyncStub


class _SetCaller(Interceptor):
    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        CALLER.set(self._caller)
        return await continuation(handler_call_details)


@asynccontextmanager
async def serving(
    store: Store, settings: Settings | None = None, caller: Caller | None = None
) -> AsyncIterator[Loopback]:
    """Serve a store, and close it with the server."""
    interceptors: list[Any] = [InterceptorChain([ValidationInterceptor()])]
    if caller is not None:
        interceptors.insert(0, _SetCaller(caller))
    server = grpc.aio.server(interceptors=interceptors)
    services = Services(store, settings)
    services.register(server)
    await services.start()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            audit = cast("AuditServiceAsyncStub", AuditServiceStub(cast("Any", channel)))
            yield Loopback(services, port, *stubs(channel), audit)
    finally:
        services.drain()
        await server.stop(0.2)
        await services.close()
        await store.close()


def stubs(
    channel: grpc.aio.Channel,
) -> tuple[ExchangeServiceAsyncStub, FeedbackServiceAsyncStub, ValidationServiceAsyncStub]:
    """Return the stubs of the services for documents and events on a channel."""
    untyped: Any = channel
    return (
        cast("ExchangeServiceAsyncStub", ExchangeServiceStub(untyped)),
        cast("FeedbackServiceAsyncStub", FeedbackServiceStub(untyped)),
        cast("ValidationServiceAsyncStub", ValidationServiceStub(untyped)),
    )


def document(content: Message) -> ir_v1.Document:
    """Return a document with a message as its content."""
    document = ir_v1.Document(ir_version="0.2.0")
    getattr(document, document_members()[content.DESCRIPTOR.name]).CopyFrom(content)
    return document


def publish_request(content: Message, **fields: Any) -> v1.PublishRequest:
    """Return a request to publish a message."""
    return v1.PublishRequest(document=document(content), **fields)


def details(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    """Return the details of an error by their type names, and check the status around them."""
    metadata: Any = error.trailing_metadata() or ()
    trailers = dict(metadata)
    status = status_pb2.Status.FromString(cast("bytes", trailers["grpc-status-details-bin"]))
    assert status.code == error.code().value[0]
    assert status.message == error.details()
    found = {}
    for packed in status.details:
        [type_] = [cls for cls in DETAILS if packed.Is(cls.DESCRIPTOR)]
        message = type_()
        packed.Unpack(message)
        found[type_.__name__] = message
    return found


def broken_rules(error: grpc.aio.AioRpcError) -> set[tuple[str, str]]:
    """Return the fields and rule ids of an error's violations."""
    violations = details(error)["BadRequest"].field_violations
    return {(violation.field, violation.reason) for violation in violations}


async def collected(stream: Any, count: int) -> list[Any]:
    """Return the first messages of a stream, and cancel it."""
    found = []
    async for message in stream:
        found.append(message)
        if len(found) == count:
            break
    stream.cancel()
    return found


async def items(messages: Iterable[Any]) -> AsyncIterator[Any]:
    """Yield messages, for the requests of a stream."""
    for message in messages:
        yield message

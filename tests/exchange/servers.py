"""Runs servers of the exchange in this process, on free loopback ports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.listening import parse_address
from crucible_ir.exchange.server.observability.measures import Measure
from crucible_ir.exchange.server.options import ServerOptions, Settings
from crucible_ir.exchange.server.services.registration import Services, service_names
from crucible_ir.exchange.server.serving import ExchangeServer, ServiceSet
from crucible_ir.exchange.store.opening import open_store
from crucible_ir.exchange.v1.exchange_service_pb2_grpc import (
    ExchangeServiceServicer,
    ExchangeServiceStub,
    add_ExchangeServiceServicer_to_server,
)

T = TypeVar("T")

LOOPBACK = parse_address("127.0.0.1:0")

#: The timeout of a test in seconds.
TIMEOUT = 30

#: The value that gRPC returns at the end of a stream; its type stubs do not declare it.
EOF: Any = vars(grpc.aio)["EOF"]

GET = v1.GetRequest(type="ModelRef", id="m")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a test's coroutine with a timeout."""

    async def with_timeout() -> T:
        async with asyncio.timeout(TIMEOUT):
            return await work

    return asyncio.run(with_timeout())


@asynccontextmanager
async def serving(
    folder: Path, options: ServerOptions | None = None, settings: Settings | None = None
) -> AsyncIterator[ExchangeServer]:
    """Serve the exchange from a store in a folder."""
    store = await open_store(str(folder / "exchange.db"))
    try:
        services = Services(store, settings)
        options = options or ServerOptions(address=LOOPBACK)
        async with ExchangeServer(services, service_names(), options) as server:
            yield server
    finally:
        await store.close()


class _NeverAnswers(ExchangeServiceServicer):
    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in

    async def Get(self, request: v1.GetRequest, context: Any) -> v1.GetResponse:
        return await self._stand_in.answer(v1.GetResponse())

    async def Watch(
        self, request: v1.WatchRequest, context: Any
    ) -> AsyncIterator[v1.WatchResponse]:
        yield v1.WatchResponse()
        await self._stand_in.answer(None)

    async def BatchPublish(
        self, request_iterator: AsyncIterable[v1.BatchPublishRequest], context: Any
    ) -> AsyncIterator[v1.BatchPublishResponse]:
        async for item in request_iterator:
            await self._stand_in.answer(None)
            yield v1.BatchPublishResponse(index=item.index)


@dataclass
class StandIn:
    """Services that answer when a test lets them."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    independent: tuple[str, ...] = ()

    async def answer(self, response: T) -> T:
        self.begun.release()
        try:
            await self.go.wait()
        except BaseException:
            self.cancelled.set()
            raise
        return response

    def register(self, server: grpc.aio.Server) -> None:
        add_ExchangeServiceServicer_to_server(_NeverAnswers(self), server)

    async def start(self) -> None:
        pass

    async def check(self) -> None:
        pass

    async def measure(self) -> None:
        pass

    def measures(self) -> list[Measure]:
        return []

    def drain(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def credentials_changed(self, counts: Mapping[str, int], details: Mapping[str, str]) -> None:
        pass


@asynccontextmanager
async def standing_in(
    options: ServerOptions | None = None,
) -> AsyncIterator[tuple[ExchangeServer, StandIn]]:
    """Serve a stand-in, which answers no call before its event is set."""
    stand_in = StandIn()
    services: ServiceSet = stand_in
    async with ExchangeServer(
        services, service_names(), options or ServerOptions(address=LOOPBACK, grace_seconds=5)
    ) as server:
        try:
            yield server, stand_in
        finally:
            stand_in.go.set()


def channel_to(server: ExchangeServer, **options: Any) -> Any:
    """Open an insecure channel with a connection of its own."""
    arguments = [("grpc.use_local_subchannel_pool", 1), *options.items()]
    return grpc.aio.insecure_channel(str(server.address), options=arguments)


def stub_on(channel: grpc.aio.Channel) -> Any:
    """Return the stub of the exchange on a channel."""
    return ExchangeServiceStub(cast("Any", channel))


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata with a token."""
    return (("authorization", f"Bearer {token}"),)


async def failure(call: Awaitable[object]) -> grpc.aio.AioRpcError:
    """Return the error of a call."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError(f"the call succeeded with {answer}")


def details_of(error: grpc.aio.AioRpcError) -> list[Message]:
    """Return the typed details of an error, and check the status around them."""
    metadata: Any = error.trailing_metadata()
    for key, value in metadata:
        if key == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(value)
            break
    else:
        return []
    assert status.code == error.code().value[0]
    assert status.message == error.details()
    found: list[Message] = []
    for detail in status.details:
        message = getattr(error_details_pb2, detail.type_url.rpartition(".")[2])()
        assert detail.Unpack(message)
        found.append(message)
    return found


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """Return the reason in the ``ErrorInfo`` of an error."""
    for detail in details_of(error):
        if isinstance(detail, error_details_pb2.ErrorInfo):
            return str(detail.reason)
    return ""


def quota_of(error: grpc.aio.AioRpcError) -> str:
    """Return the subject of the quota that was exceeded."""
    for detail in details_of(error):
        if isinstance(detail, error_details_pb2.QuotaFailure):
            return str(detail.violations[0].subject)
    return ""


def model(id_: str) -> ir_v1.Document:
    """Return a document with a model."""
    return ir_v1.Document(ir_version="1", model_ref=ir_v1.ModelRef(id=id_))

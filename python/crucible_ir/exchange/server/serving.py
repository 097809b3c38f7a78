"""A server from its first listening to its last answer: what it is made of, and how it stops."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, Protocol

import grpc
import grpc.aio

from crucible_ir.exchange.server.listening import Address, server_credentials
from crucible_ir.exchange.server.observability.logs import CallLog
from crucible_ir.exchange.server.observability.metrics import Metrics
from crucible_ir.exchange.server.observability.observing import Observer, ObservingInterceptor
from crucible_ir.exchange.server.observability.tracing import Tracing
from crucible_ir.exchange.server.options import ServerOptions, ServingError, channel_arguments
from crucible_ir.exchange.server.rpc.call_context import current_caller
from crucible_ir.exchange.server.rpc.drain import DrainInterceptor
from crucible_ir.exchange.server.rpc.interceptor import Interceptor, InterceptorChain
from crucible_ir.exchange.server.rpc.request_validation import ValidationInterceptor
from crucible_ir.exchange.server.security.authentication import (
    AuthenticationInterceptor,
    TokenChecker,
    certified_name,
)
from crucible_ir.exchange.server.security.limits import LimitsInterceptor
from crucible_ir.exchange.server.standard_services import Health, register_reflection

if TYPE_CHECKING:
    from types import TracebackType

_log: Final = logging.getLogger(__name__)

#: Where metrics are served: on this machine only, since they ask for no token.
_METRICS_HOST: Final = "127.0.0.1"

#: For how long a thread runs Python while others wait, in seconds. By Python's own measure the
#: thread that writes to a database would wait 5 ms for a busy event loop, after each call of it.
_TURN_SECONDS: Final = 0.0002

#: How many objects more than before there are when those that hold each other are looked for. A
#: batch of events alone has more than the 700 of Python's own measure, and all are in use.
_LEAST_GARBAGE: Final = 50_000

#: For how long calls are refused after the last one that was let through has ended, in seconds.
_LAST_CALLS_SECONDS: Final = 0.1

#: How long the last answers may take to be sent, in seconds.
_LAST_SECONDS: Final = 0.5

#: How long calls that were cancelled may take to let go of what they hold.
_CANCELLED_SECONDS: Final = 5.0


class ServiceSet(Protocol):
    """The services of a server."""

    def register(self, server: grpc.aio.Server) -> None:
        """Add the services to a server."""

    async def start(self) -> None:
        """Begin what goes on in the background."""

    def drain(self) -> None:
        """End streams in good order: nothing new is begun, and what is held is finished."""

    async def close(self) -> None:
        """End what goes on in the background."""


class ExchangeServer:
    """A server of services. Use it as an asynchronous context manager, or start and stop it.

    Args:
        services: The services.
        service_names: Their full names.
        options: How to serve.

    Attributes:
        address: Where it listens, once it was started.
        metrics_port: Where it serves figures to Prometheus, once it was started.

    Raises:
        ServingError: The options are not safe, and do not say that this is meant.
        MissingExtraError: The options ask for what is not installed.
        TokensError: The file of tokens cannot be used.
        CertificateError: The certificates cannot be used.
        OSError: A file cannot be read.
    """

    def __init__(
        self, services: ServiceSet, service_names: Iterable[str], options: ServerOptions
    ) -> None:
        options.check()
        self._services = services
        self._options = options
        self.address = options.address
        self.metrics_port: int | None = None
        self._credentials = None if options.tls is None else server_credentials(options.tls)
        self._metrics = None if options.metrics_port is None else Metrics()
        self._drain = DrainInterceptor()
        self._call_log = CallLog()
        self._hurried = asyncio.Event()
        names = list(service_names)
        self._health = Health(names) if options.health else None
        self._server = grpc.aio.server(
            interceptors=[InterceptorChain(self._interceptors())],
            options=channel_arguments(options),
            maximum_concurrent_rpcs=options.limits.calls,
        )
        services.register(self._server)
        if self._health is not None:
            self._health.register(self._server)
        if options.reflection:
            register_reflection(self._server, names)

    async def __aenter__(self) -> ExchangeServer:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            ServingError: The address cannot be listened on.
            MetricsError: Nor can that of the metrics.
        """
        self.address = self._bind()
        if self._metrics is not None:
            self.metrics_port = self._metrics.serve(_METRICS_HOST, self._options.metrics_port or 0)
        await self._services.start()
        await self._server.start()
        if self._health is not None:
            await self._health.start()
        _log.info("listening on %s", self.address)

    async def stop(self, grace_seconds: float | None = None) -> None:
        """Stop: take no new calls, end streams in good order, and wait for what is in progress.

        Args:
            grace_seconds: How long to wait before calls are cancelled; by default as the options
                say.
        """
        grace = self._options.grace_seconds if grace_seconds is None else grace_seconds
        _log.info("stopping")
        if self._health is not None:
            await self._health.stop()
        self._drain.shut()
        self._services.drain()
        hurried = asyncio.ensure_future(self._hurried.wait())
        emptied = asyncio.ensure_future(self._drain.wait_until_empty(grace))
        await asyncio.wait([hurried, emptied], return_when=asyncio.FIRST_COMPLETED)
        # Those whose calls were answered last call again at once, and are to be refused in words:
        # gRPC drops what arrives in the moment in which it stops.
        await asyncio.wait([hurried], timeout=_LAST_CALLS_SECONDS)
        hurried.cancel()
        emptied.cancel()
        # Refusals are still on their way; whoever watches the server's health stays as long as
        # they are let.
        await self._server.stop(None if self._hurried.is_set() else _LAST_SECONDS)
        await self._drain.wait_until_empty(_CANCELLED_SECONDS)
        await self._services.close()
        if self._metrics is not None:
            await asyncio.to_thread(self._metrics.close)
        self._call_log.flush()
        _log.info("stopped")

    def hurry(self) -> None:
        """Cancel the calls that a stop waits for."""
        self._hurried.set()

    def _interceptors(self) -> list[Interceptor]:
        """Return the interceptors, the outermost first."""
        options = self._options
        observers: list[Observer] = [self._call_log]
        if self._metrics is not None:
            observers.append(self._metrics)
        if options.tracing:
            observers.append(Tracing())
        role = options.certificate_role if options.asks_for_certificates else None
        tokens = None if options.tokens is None else TokenChecker(options.tokens)
        named_by_certificate = tokens is None and role is not None
        return [
            ObservingInterceptor(
                observers, certified_name if named_by_certificate else _caller_name
            ),
            self._drain,
            AuthenticationInterceptor(tokens, role),
            LimitsInterceptor(options.limits),
            ValidationInterceptor(),
        ]

    def _bind(self) -> Address:
        address = str(self._options.address)
        try:
            if self._credentials is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, self._credentials)
        except RuntimeError:
            raise ServingError(
                f"cannot listen on {address}: it is in use, or no address of this machine"
            ) from None
        asked = self._options.address
        return asked if asked.port is None else Address(asked.host, port)


def _caller_name(_: object) -> str | None:
    return current_caller().name


async def serve_until_signalled(
    server: ExchangeServer, announce: Callable[[Address], None]
) -> None:
    """Serve until the process is told to end; a second signal ends it without grace.

    Args:
        server: The server, not yet started.
        announce: Is told where it listens, when it does.
    """
    loop = asyncio.get_running_loop()
    signalled = asyncio.Event()
    turn, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(_TURN_SECONDS)
    gc.freeze()
    gc.set_threshold(_LEAST_GARBAGE, *thresholds[1:])

    def on_signal() -> None:
        if signalled.is_set():
            server.hurry()
        signalled.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    try:
        await server.start()
        announce(server.address)
        await signalled.wait()
        await server.stop()
    finally:
        sys.setswitchinterval(turn)
        gc.set_threshold(*thresholds)
        gc.unfreeze()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

"""The life cycle of a server: its parts, how it starts, and how it stops."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, Protocol, cast

import grpc
import grpc.aio

from crucible_ir.exchange.server.health import Health
from crucible_ir.exchange.server.listening import (
    Address,
    bind_problem,
    expiry_warnings,
)
from crucible_ir.exchange.server.observability.logs import CallLog
from crucible_ir.exchange.server.observability.measures import Measure, connections_to
from crucible_ir.exchange.server.observability.metrics import Metrics
from crucible_ir.exchange.server.observability.observing import Observer, ObservingInterceptor
from crucible_ir.exchange.server.observability.tracing import Tracing
from crucible_ir.exchange.server.options import ServerOptions, ServingError, channel_arguments
from crucible_ir.exchange.server.rpc.drain import DrainInterceptor
from crucible_ir.exchange.server.rpc.in_process import InProcessCalls
from crucible_ir.exchange.server.rpc.interceptor import Interceptor, InterceptorChain
from crucible_ir.exchange.server.rpc.request_validation import ValidationInterceptor
from crucible_ir.exchange.server.security.authentication import (
    AuthenticationInterceptor,
    BearerChecker,
    TokenChecker,
    certified_name,
)
from crucible_ir.exchange.server.security.jwt_tokens import BearerTokens, JwtChecker
from crucible_ir.exchange.server.security.limits import LimitsInterceptor
from crucible_ir.exchange.server.security.open_streams import CHECK_SECONDS
from crucible_ir.exchange.server.security.server_certificates import ServerCertificates
from crucible_ir.exchange.server.service_manager import is_managed, notify
from crucible_ir.exchange.server.standard_services import register_reflection
from crucible_ir.exchange.server.store_monitor import StoreMonitor

if TYPE_CHECKING:
    from types import TracebackType

    from crucible_ir.exchange.server.security.tokens import Token

_log: Final = logging.getLogger(__name__)

#: The host of the metrics: this machine only, since they need no token.
_METRICS_HOST: Final = "127.0.0.1"

#: The interpreter's switch interval, in seconds. With Python's own of 5 ms, the thread that writes
#: to a database would wait that long for a busy event loop after each of its system calls.
_SWITCH_INTERVAL: Final = 0.0002

#: The first threshold of the garbage collector, in new objects. A batch of events alone has more
#: than Python's own 700, and all of them are in use.
_GC_THRESHOLD: Final = 50_000

#: How long new calls are still rejected after the last call has ended, in seconds.
_REJECT_SECONDS: Final = 0.1

#: How long the last responses may take to be sent, in seconds.
_FLUSH_SECONDS: Final = 0.5

#: How long cancelled calls may take to release their resources, in seconds.
_CANCELLED_SECONDS: Final = 5.0


class ServiceSet(Protocol):
    """The services of a server."""

    @property
    def independent(self) -> Collection[str]:
        """The full names of the services that work without the store."""

    def register(self, server: grpc.aio.Server) -> None:
        """Add the services to a server."""

    async def start(self) -> None:
        """Start background tasks."""

    async def check(self) -> None:
        """Check that the store answers.

        Raises:
            StoreFailure: It cannot be used.
        """

    async def measure(self) -> None:
        """Measure the store, for `measures`.

        Raises:
            StoreFailure: It cannot be measured.
        """

    def measures(self) -> Iterable[Measure]:
        """Return what to show among the metrics."""

    def drain(self) -> None:
        """End streams gracefully: read no new requests, and answer those that were read."""

    async def close(self) -> None:
        """Stop background tasks."""

    def credentials_changed(self, counts: Mapping[str, int], details: Mapping[str, str]) -> None:
        """Record in the audit log that the server noticed other credentials."""


class Frontend(Protocol):
    """Another listener of a server, such as for HTTP, which starts and stops with it."""

    def bind(self) -> None:
        """Take the address.

        Raises:
            ServingError: It cannot listen on its address.
        """

    async def start(self) -> None:
        """Start to answer."""

    def drain(self) -> None:
        """End what lasts for long, such as streams that are not calls of the server."""

    async def stop(self) -> None:
        """Stop to listen, and close the connections."""

    def reload(self) -> None:
        """Read the certificates again, which can be used."""


class ExchangeServer:
    """A server of services. Use it as an asynchronous context manager, or start and stop it.

    Args:
        services: The services.
        service_names: Their full names.
        options: The options.

    Attributes:
        address: The address, with the actual port once the server has started.
        metrics_port: The port of the metrics, once the server has started.
        calls: Calls the services from this process.

    Raises:
        ServingError: The options are not safe, and `insecure` is not set.
        MissingExtraError: The options require an extra that is not installed.
        TokensError: The token file cannot be used.
        JwtKeysError: The keys of JSON Web Tokens cannot be used.
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
        self._certificates = (
            None
            if options.tls is None
            else ServerCertificates(options.tls, on_reload=self._certificates_reloaded)
        )
        self._metrics = None if options.metrics_port is None else Metrics()
        self._drain = DrainInterceptor()
        self._call_log = CallLog()
        self._limits = LimitsInterceptor(options.limits)
        self._jwt = (
            None if options.jwt is None else JwtChecker(options.jwt, on_change=self._keys_changed)
        )
        self._authentication = self._authenticator()
        self._checking: asyncio.Task[None] | None = None
        self._forced = asyncio.Event()
        self._frontends: list[Frontend] = []
        self._is_started = False
        self._folder: TemporaryDirectory[str] | None = None
        names = list(service_names)
        self._health: Health | None = None
        if options.health:
            dependent = [name for name in names if name not in services.independent]
            self._health = Health(dependent, services.independent, options.most_connections)
        report = None if self._health is None else self._health.report
        measure = None if self._metrics is None else services.measure
        self._monitor = StoreMonitor(services.check, report, measure)
        if self._metrics is not None:
            self._metrics.add([*self._measures(self._monitor), *services.measures()])
        chain = InterceptorChain(self._interceptors())
        self._server = grpc.aio.server(
            interceptors=[chain],
            options=channel_arguments(options),
            maximum_concurrent_rpcs=options.limits.calls,
        )
        self.calls = InProcessCalls(self._server, chain)
        services.register(cast("grpc.aio.Server", self.calls))
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

    @property
    def is_ready(self) -> bool:
        """Whether the server answers calls: it has started, is not stopping, and has its store."""
        return self._is_started and self._monitor.is_up

    def add(self, frontend: Frontend) -> None:
        """Add another listener, before the server starts."""
        self._frontends.append(frontend)

    def listen_privately(self) -> None:
        """Let clients in this process connect without TLS, before the server starts.

        They use `private_target`. It is the server's own address if that is in plain text and on
        this machine, or else a socket in a directory that other users cannot enter.
        """
        if self._options.tls is None and self.address.is_local:
            return
        self._folder = TemporaryDirectory(prefix="crucible-ir-")
        self._server.add_insecure_port(f"unix:{self._folder.name}/socket")
        self._authentication.permit_private()

    @property
    def private_target(self) -> str:
        """The address for clients in this process, after `listen_privately` and the start."""
        return str(self.address) if self._folder is None else f"unix:{self._folder.name}/socket"

    async def start(self) -> None:
        """Start to listen.

        Raises:
            ServingError: The server cannot listen on one of its addresses.
            MetricsError: The server cannot listen on the port of the metrics.
        """
        if self._options.tls is not None:
            for warning in expiry_warnings(self._options.tls, datetime.now(UTC)):
                _log.warning(warning)
        self.address = self._bind()
        for frontend in self._frontends:
            frontend.bind()
        if self._metrics is not None:
            self.metrics_port = self._metrics.serve(_METRICS_HOST, self._options.metrics_port or 0)
        await self._services.start()
        if self._health is not None:
            await self._health.start()
        await self._monitor.start()
        await self._server.start()
        self._checking = asyncio.create_task(self._check_credentials())
        _log.info("listening on %s", self.address)
        for frontend in self._frontends:
            await frontend.start()
        self._is_started = True

    async def stop(self, grace_seconds: float | None = None) -> None:
        """Stop gracefully: reject new calls, end streams, and wait for calls in progress.

        Args:
            grace_seconds: How long to wait before calls are cancelled; the default is that of the
                options.
        """
        grace = self._options.grace_seconds if grace_seconds is None else grace_seconds
        _log.info("stopping")
        self._is_started = False
        if self._health is not None:
            await self._health.stop()
        self._drain.begin()
        self._services.drain()
        for frontend in self._frontends:
            frontend.drain()
        forced = asyncio.ensure_future(self._forced.wait())
        idle = asyncio.ensure_future(self._drain.wait_until_idle(grace))
        await asyncio.wait([forced, idle], return_when=asyncio.FIRST_COMPLETED)
        # Clients that got the last responses may call again at once. They must get an error with a
        # reason: gRPC drops calls that arrive while it stops.
        await asyncio.wait([forced], timeout=_REJECT_SECONDS)
        forced.cancel()
        idle.cancel()
        for frontend in self._frontends:
            await frontend.stop()
        # The last errors are still in transit, and health watches end only with the server.
        await self._server.stop(None if self._forced.is_set() else _FLUSH_SECONDS)
        await self._drain.wait_until_idle(_CANCELLED_SECONDS)
        if self._checking is not None:
            self._checking.cancel()
        await self._monitor.close()
        await self._services.close()
        if self._metrics is not None:
            await asyncio.to_thread(self._metrics.close)
        if self._folder is not None:
            self._folder.cleanup()
        self._call_log.flush()
        _log.info("stopped")

    def force_stop(self) -> None:
        """Cancel the calls that `stop` is waiting for."""
        self._forced.set()

    def reload(self) -> None:
        """Read the certificates, tokens and keys again, and check the streams in progress."""
        if self._certificates is not None:
            self._certificates.reload()
        if self._jwt is not None:
            self._jwt.reload()
        self._authentication.check_streams()

    def _certificates_reloaded(self) -> None:
        for frontend in self._frontends:
            frontend.reload()

    async def _check_credentials(self) -> None:
        """Check from time to time whether files changed, and the callers of streams."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                if self._certificates is not None:
                    self._certificates.refresh()
                if self._jwt is not None:
                    self._jwt.refresh()
                self._authentication.check_streams()
            except Exception:
                _log.exception("cannot check credentials, retrying")

    def _authenticator(self) -> AuthenticationInterceptor:
        options = self._options
        tokens = (
            None
            if options.tokens is None
            else TokenChecker(options.tokens, on_change=self._tokens_changed)
        )
        role = options.certificate_role if options.requires_certificates else None
        certificates = self._certificates if options.requires_certificates else None
        checker: BearerChecker | None = tokens
        if self._jwt is not None:
            checker = BearerTokens(tokens, self._jwt)
        return AuthenticationInterceptor(checker, role, certificates)

    def _keys_changed(self) -> None:
        """Record that the issuer of JSON Web Tokens has other keys."""
        self._services.credentials_changed({}, {"jwt_keys": "changed"})

    def _tokens_changed(self, earlier: Mapping[str, Token], now: Mapping[str, Token]) -> None:
        """Record which tokens were added, removed and changed, by their ids."""
        changes = {
            "added": now.keys() - earlier.keys(),
            "removed": earlier.keys() - now.keys(),
            "changed": {id_ for id_ in now.keys() & earlier.keys() if now[id_] != earlier[id_]},
        }
        counts = {name: len(ids) for name, ids in changes.items()}
        details = {name: ", ".join(sorted(ids)[:20]) for name, ids in changes.items() if ids}
        self._services.credentials_changed(counts, details)

    @property
    def has_credentials(self) -> bool:
        """Whether the server has certificates, tokens or keys that it can read again."""
        options = self._options
        return any(each is not None for each in (options.tls, options.tokens, options.jwt))

    def _interceptors(self) -> list[Interceptor]:
        """Return the interceptors, the outermost first."""
        options = self._options
        observers: list[Observer] = [self._call_log]
        if self._metrics is not None:
            observers.append(self._metrics)
        if options.tracing:
            observers.append(Tracing())
        if not options.requires_token and options.requires_certificates:
            # Observers run before the hook that authenticates the caller by the certificate.
            observing = ObservingInterceptor(observers, certified_name)
        else:
            observing = ObservingInterceptor(observers)
        return [
            observing,
            self._drain,
            self._authentication,
            self._limits,
            ValidationInterceptor(),
        ]

    def _measures(self, monitor: StoreMonitor) -> list[Measure]:
        options = self._options
        return [
            Measure(
                "connections",
                "gauge",
                "Open TCP connections of clients.",
                lambda: connections_to(self.address),
            ),
            Measure(
                "connections_limit",
                "gauge",
                "Limit on connections (--max-connections).",
                lambda: options.most_connections,
            ),
            Measure(
                "request_bytes",
                "gauge",
                "Bytes of requests in memory.",
                lambda: self._limits.bytes_in_flight,
            ),
            Measure(
                "request_bytes_limit",
                "gauge",
                "Limit on the bytes of requests (--max-bytes-in-flight).",
                lambda: options.limits.bytes_in_flight,
            ),
            Measure(
                "store_up", "gauge", "1 if the database answers, else 0.", lambda: monitor.is_up
            ),
        ]

    def _bind(self) -> Address:
        address = str(self._options.address)
        try:
            if self._certificates is None:
                port = self._server.add_insecure_port(address)
            else:
                credentials = self._certificates.credentials()
                port = self._server.add_secure_port(address, credentials)
        except RuntimeError:
            reason = bind_problem(self._options.address)
            raise ServingError(f"cannot listen on {address}: {reason}") from None
        requested = self._options.address
        return requested if requested.port is None else Address(requested.host, port)


async def serve_until_signalled(
    server: ExchangeServer, announce: Callable[[Address], None]
) -> None:
    """Serve until SIGINT or SIGTERM; a second signal ends the process without a grace period.

    SIGHUP reads certificates and tokens again, if the server has any. A service manager such as
    systemd gets a report when the server is ready and when it stops.

    Args:
        server: The server, not yet started.
        announce: Called with the address once the server listens.
    """
    loop = asyncio.get_running_loop()
    signalled = asyncio.Event()
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(_SWITCH_INTERVAL)
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD, *thresholds[1:])

    def on_signal() -> None:
        if signalled.is_set():
            server.force_stop()
        signalled.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    if server.has_credentials or is_managed():
        loop.add_signal_handler(signal.SIGHUP, server.reload)
    try:
        await server.start()
        announce(server.address)
        notify("READY=1")
        await signalled.wait()
        notify("STOPPING=1")
        await server.stop()
    finally:
        sys.setswitchinterval(interval)
        gc.set_threshold(*thresholds)
        gc.unfreeze()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)

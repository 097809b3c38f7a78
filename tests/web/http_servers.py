"""Runs exchanges with HTTP in this process, each on a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from crucible_ir.exchange.server.listening import parse_address
from crucible_ir.exchange.server.options import ServerOptions, Settings
from crucible_ir.exchange.server.services.registration import Services, service_names
from crucible_ir.exchange.server.serving import ExchangeServer
from crucible_ir.exchange.store.opening import open_store
from crucible_ir.web.frontend import FrontendOptions, add_http

T = TypeVar("T")

LOOPBACK = parse_address("127.0.0.1:0")

#: The timeout for the start and the end of a server, and for work on its thread, in seconds.
TIMEOUT = 30


@dataclass
class RunningExchange:
    """An exchange that serves HTTP.

    Attributes:
        server: The server.
        url: The URL of its HTTP.
        loop: Its event loop.
    """

    server: ExchangeServer
    url: str
    loop: asyncio.AbstractEventLoop

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine on the thread of the server."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the thread of the server."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(TIMEOUT)


@contextmanager
def http_exchange(
    folder: Path,
    options: ServerOptions | None = None,
    settings: Settings | None = None,
    http: FrontendOptions | None = None,
) -> Iterator[RunningExchange]:
    """Serve an exchange with HTTP from a store in a folder."""
    options = options or ServerOptions(address=LOOPBACK)
    settings = settings or Settings()
    http = http or FrontendOptions(LOOPBACK)
    started = threading.Event()
    found: list[RunningExchange] = []
    failed: list[BaseException] = []
    ending: list[Callable[[], object]] = []

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        ending.append(lambda: loop.call_soon_threadsafe(stopped.set))
        store = await open_store(str(folder / "exchange.db"))
        try:
            services = Services(store, settings)
            server = ExchangeServer(services, service_names(), options)
            web = add_http(server, http, options, settings)
            async with server:
                found.append(RunningExchange(server, web.url, loop))
                started.set()
                await stopped.wait()
        finally:
            await store.close()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            failed.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=run, name="exchange")
    thread.start()
    try:
        assert started.wait(TIMEOUT), "the server has not started"
        if failed:
            raise failed[0]
        yield found[0]
    finally:
        if not failed:
            for end in ending:
                end()
        thread.join(TIMEOUT)
        assert not thread.is_alive(), "the server has not stopped"
    if failed:
        raise failed[0]

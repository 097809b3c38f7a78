"""The ASGI application of the console."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from crucible_ir.web.console.errors import Problem, ProblemError
from crucible_ir.web.console.live import LiveStreams
from crucible_ir.web.console.page import Action, Page, View, Visit, respond
from crucible_ir.web.console.pages import MODULES
from crucible_ir.web.console.rendering import STATIC_TYPES, Site, static_file
from crucible_ir.web.console.security import Security
from crucible_ir.web.console.sessions import Sessions, session_cookie
from crucible_ir.web.console.urls import JSON

if TYPE_CHECKING:
    from starlette.requests import Request

    from crucible_ir.web.console.sessions import Connect

_logger = logging.getLogger(__name__)

_YEAR: Final = 365 * 86400


def application(
    connect: Connect, *, hosts: Collection[str] = (), name: str = "exchange"
) -> Starlette:
    """Return the console of an exchange as an ASGI application.

    Args:
        connect: Makes a client for a reader, given the token that the reader signed in with, or
            ``None`` for readers who are not signed in. The console closes the client.
        hosts: The host names that requests may have; empty for those of this machine only, ``*``
            for any.
        name: The name of the exchange, which the pages show.
    """
    console = _Console(connect, name)
    found = Starlette(
        routes=list(console.routes()),
        middleware=[
            Middleware(Security, hosts=hosts),
            Middleware(GZipMiddleware, minimum_size=1000, compresslevel=6),
        ],
        exception_handlers={404: console.not_found, 405: console.not_found},
        lifespan=console.lifespan,
    )
    # For a server that stops: it would wait for the streams.
    found.state.drain = console.streams.close
    return found


class _Console:
    """The pages of one exchange, and the sessions of their readers."""

    def __init__(self, connect: Connect, name: str) -> None:
        self.sessions = Sessions(connect)
        pages = [page for module in MODULES for page in module.PAGES]
        self.site = Site(name, pages)
        self.streams = LiveStreams()

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Close what the console opened when the server ends."""
        try:
            yield
        finally:
            self.streams.close()
            await self.sessions.close()

    def routes(self) -> Iterator[Route]:
        """Yield the routes: each page, its twin in JSON, and the forms."""
        yield Route("/static/{name}", self.static)
        yield Route("/live", self.live)
        for page in self.site.pages:
            twin = f"{page.path}index{JSON}" if page.path.endswith("/") else page.path + JSON
            yield Route(twin, self._handler(page, as_json=True))
            yield Route(page.path, self._handler(page))
        for module in MODULES:
            for action in module.ACTIONS:
                yield Route(action.path, self._handler(action), methods=["POST"])

    def _handler(
        self, page: Page | Action, *, as_json: bool = False
    ) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            request.scope["crucible_json"] = as_json
            try:
                return await respond(await self.visit(request), page, self.site)
            except ClientDisconnect:
                # Nobody reads the answer.
                return Response(status_code=400)
            except Exception:
                _logger.exception("a page failed: %s", page.path)
                return await self._failed(request)

        return handle

    async def visit(self, request: Request) -> Visit:
        """Return the request with the session that it belongs to."""
        id_ = request.cookies.get(session_cookie(request), "")
        return Visit(request, self.sessions, await self.sessions.find(id_) if id_ else None)

    async def live(self, request: Request) -> Response:
        """Answer with changes as they happen."""
        return self.streams.response(await self.visit(request))

    async def static(self, request: Request) -> Response:
        """Answer with a file."""
        name = request.path_params["name"]
        content = static_file(name)
        if content is None:
            return PlainTextResponse("no such file\n", 404)
        # The address of a file that a page names changes with its content.
        headers = {"cache-control": f"public, max-age={_YEAR}, immutable"}
        return Response(content, 200, headers, STATIC_TYPES[name.rpartition(".")[2]])

    async def not_found(self, request: Request, error: Exception) -> Response:
        """Answer a request for a page that does not exist."""
        reason = f"there is no page at {request.url.path[:200]}"
        advice = "Look at the address, or choose a page at the left."
        return await self._problem(request, Problem(404, "No such page", reason, advice))

    async def _failed(self, request: Request) -> Response:
        """Answer a request that failed by a bug."""
        advice = "Load the page again. If this lasts, report it with the log of the console."
        problem = Problem(500, "The console failed", "this is a bug of the console", advice)
        return await self._problem(request, problem)

    async def _problem(self, request: Request, problem: Problem) -> Response:
        async def show(visit: Visit) -> View:
            raise ProblemError(problem)

        request.scope["crucible_json"] = request.url.path.endswith(JSON)
        page = Page(request.url.path, show, "error.html")
        return await respond(await self.visit(request), page, self.site)

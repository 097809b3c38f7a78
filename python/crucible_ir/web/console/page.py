"""The framework of pages: a page is a function from a request to what the page shows.

A module of `crucible_ir.web.console.pages` declares its pages in ``PAGES`` and what its forms do in
``ACTIONS``. A page's function returns a `View`, whose data is a dataclass: the template draws it,
and the twin of the page, at the same path with ``.json``, is the same data as JSON.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote

from starlette.responses import RedirectResponse, Response

from crucible_ir.exchange.client.errors import PermissionDeniedError, UnavailableError
from crucible_ir.schema.types import document_members
from crucible_ir.web.console.errors import Problem, ProblemError, problem_of
from crucible_ir.web.console.rendering import CannotShowError, Rendered, Site, render
from crucible_ir.web.console.times import zone_named
from crucible_ir.web.console.urls import JSON, own_path, path_of, text_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from crucible_ir.exchange import AsyncExchangeClient
    from crucible_ir.web.console.sessions import Session, Sessions

#: The longest time in seconds for what one page asks of the exchange.
PAGE_SECONDS: Final = 20.0
#: How long a browser may take to send a form, in seconds.
FORM_SECONDS: Final = 60.0
#: The most bytes of a form.
MAX_FORM_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Link:
    """A link: its text and its address."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Live:
    """The changes after which a page shows something else.

    Attributes:
        types: The document types; empty for all.
        id_prefix: The prefix of the ids.
    """

    types: tuple[str, ...] = ()
    id_prefix: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """What a page shows.

    Attributes:
        title: The title in the browser's tab.
        data: A dataclass, which the template has as ``data``; the JSON of the page. Fields with the
            metadata ``{"json": False}`` are not part of the JSON.
        trail: The way to the page, in the bar; the last entry is the page itself.
        live: The changes after which the page is drawn anew; ``None`` for none.
        status: The status of the response.
        template: Another template than the page's own; ``None`` for its own.
    """

    title: str
    data: object
    trail: tuple[Link, ...] = ()
    live: Live | None = None
    status: int = 200
    template: str | None = None


@dataclass(frozen=True, slots=True)
class Goto:
    """Another page of the console to show instead: the answer to a form that was carried out.

    Attributes:
        url: Its address, of `Visit.url`.
        cookies: The cookies to set, by name; ``None`` deletes one.
    """

    url: str
    cookies: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Download:
    """A file for the reader to keep: never shown as a page of the console.

    Attributes:
        body: The content.
        name: The name of the file.
    """

    body: bytes
    name: str


#: What the function of a page or a form returns.
Result = View | Goto | Download


@dataclass(frozen=True, slots=True)
class Page:
    """A page.

    Attributes:
        path: The path, such as ``/runs/{id}``; `Visit.param` has the parameters.
        show: The function that makes what it shows.
        template: The name of its template.
        label: Its name in the index at the left; empty if it is not there.
        key: The letter that leads to it after ``g``.
    """

    path: str
    show: Callable[[Visit], Awaitable[Result]]
    template: str
    label: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """What a form does: the path that it is sent to, and the function that carries it out.

    A view as a result, such as the form with an error, is drawn with the template.
    """

    path: str
    run: Callable[[Visit], Awaitable[Result]]
    template: str = ""


async def recognize(client: AsyncExchangeClient) -> None:
    """Make a call that any valid token may make, or by which it is at least recognized.

    Raises:
        UnauthenticatedError: The exchange requires another token.
        ExchangeError: The call failed.
    """
    # The exchange knows a caller who may do something else.
    with suppress(PermissionDeniedError):
        await client.list_page(next(iter(document_members())), page_size=1)


class Visit:
    """A request for a page, with the exchange as its reader may see it.

    Attributes:
        request: The request.
        sessions: The sessions of the console.
        session: The reader's session; ``None`` if the reader is not signed in.
        form: The fields of the form that was sent; empty for a page.
    """

    def __init__(self, request: Request, sessions: Sessions, session: Session | None) -> None:
        self.request = request
        self.sessions = sessions
        self.session = session
        self.form: dict[str, str] = {}

    @property
    def client(self) -> AsyncExchangeClient:
        """The client that calls the exchange with the reader's token."""
        return self.sessions.anonymous if self.session is None else self.session.client

    async def check_reader(self) -> None:
        """Check that the exchange knows the reader, before work that a stranger must not cause.

        Raises:
            UnauthenticatedError: It requires a token, and the reader is not signed in.
        """
        if self.session is None:
            with suppress(UnavailableError):
                await recognize(self.client)

    @property
    def prefix(self) -> str:
        """The prefix of every path, without a slash at its end."""
        return str(self.request.scope.get("root_path", "")).rstrip("/")

    @property
    def path(self) -> str:
        """The address of this page, with its query and without ``.json``."""
        url = self.request.url
        # A link to a path with two slashes at its start would lead to another server.
        path = f"/{url.path.lstrip('/')}"
        if self.wants_json:
            path = path.removesuffix(JSON)
            path = path.removesuffix("index") if path == f"{self.prefix}/index" else path
        return f"{path}?{url.query}" if url.query else path

    @property
    def json_path(self) -> str:
        """The address of this page as JSON."""
        path, question, query = self.path.partition("?")
        return f"{f'{path}index' if path.endswith('/') else path}{JSON}{question}{query}"

    @property
    def wants_json(self) -> bool:
        """Whether the page is requested as JSON."""
        return bool(self.request.scope.get("crucible_json"))

    @property
    def zone(self) -> tzinfo:
        """The time zone of the reader, which the browser says in a cookie."""
        return zone_named(self.cookie("tz"))

    def url(self, *segments: str, **query: object) -> str:
        """Return the address of a page: ``visit.url("documents", "ModelRef", id, revision=2)``."""
        return self.prefix + path_of(*segments, query=query)

    def document_url(self, type_: str, id_: str, *more: str, **query: object) -> str:
        """Return the address of a document's page, or of one below it such as ``history``."""
        return self.url("documents", type_, id_, *more, **query)

    def param(self, name: str) -> str:
        """Return a parameter of the path."""
        return text_of(str(self.request.path_params[name]))

    def type_param(self) -> str:
        """Return the parameter ``type``, which must be the name of a document type.

        Raises:
            ProblemError: It is not.
        """
        name = self.param("type")
        if name not in document_members():
            raise ProblemError(Problem.unknown_type(name, self.url("documents")))
        return name

    def query(self, name: str, default: str = "") -> str:
        """Return a parameter of the query."""
        return self.request.query_params.get(name, default)

    def number(self, name: str, default: int | None = None) -> int | None:
        """Return a parameter of the query that is a number from 1.

        Raises:
            ProblemError: It is something else.
        """
        text = self.query(name)
        if not text:
            return default
        if not (text.isascii() and text.isdecimal() and 0 < int(text[:12]) < 2**31):
            raise ProblemError(Problem.bad_request(f"{name} must be a number from 1, got {text!r}"))
        return int(text)

    def cookie(self, name: str) -> str:
        """Return a cookie; empty if there is none."""
        return self.request.cookies.get(name, "")

    @property
    def next_path(self) -> str:
        """The page of the console that the parameter ``next`` names; the first one if none."""
        return own_path(self.form.get("next") or self.query("next"), self.prefix)


async def respond(visit: Visit, page: Page | Action, site: Site) -> Response:
    """Answer a request for a page, or a form."""
    function = page.show if isinstance(page, Page) else page.run
    try:
        if isinstance(page, Action):
            async with asyncio.timeout(FORM_SECONDS):
                visit.form = await _form(visit.request)
        async with asyncio.timeout(PAGE_SECONDS):
            result = await function(visit)
    except (Exception, asyncio.CancelledError) as error:
        problem = problem_of(error)
        if problem is None:
            raise
        if problem.status == 401 and not visit.wants_json:
            # The way back, where a page can be shown again.
            back = visit.path if isinstance(page, Page) else None
            return redirect(visit, Goto(visit.url("sign-in", next=back)))
        view = View(problem.headline, problem, status=problem.status, template="error.html")
        return await _drawn(visit, view, "error.html", site)
    if isinstance(result, Goto):
        return redirect(visit, result)
    if isinstance(result, Download):
        return _file(result)
    return await _drawn(visit, result, result.template or page.template, site)


async def _drawn(visit: Visit, view: View, template: str, site: Site) -> Response:
    try:
        # A large page takes a while, and the event loop may be that of the exchange too.
        rendered = await asyncio.to_thread(render, visit, view, template, site)
    except CannotShowError as error:
        problem = Problem.bad_request(str(error))
        view = View(problem.headline, problem, status=problem.status, template="error.html")
        rendered = render(visit, view, "error.html", site)
    return _response(visit, view.status, rendered)


def _response(visit: Visit, status: int, rendered: Rendered) -> Response:
    headers = {
        "etag": rendered.etag,
        # Kept by the reader's browser alone, which asks each time whether it is still right.
        "cache-control": "private, no-cache",
        "vary": "Cookie",
    }
    if status == 200 and visit.request.headers.get("if-none-match") == rendered.etag:
        return Response(status_code=304, headers=headers)
    return Response(rendered.body, status, headers, rendered.media_type)


def _file(download: Download) -> Response:
    """Answer with a file."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", download.name)[-100:]
    encoded = quote(download.name, safe="")
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
    headers = {"content-disposition": disposition, "cache-control": "private, no-store"}
    return Response(download.body, 200, headers, "application/octet-stream")


def redirect(visit: Visit, goto: Goto) -> Response:
    """Answer with another page."""
    response = RedirectResponse(goto.url, 303, headers={"cache-control": "no-store"})
    for name, value in goto.cookies.items():
        if value is None:
            response.delete_cookie(name, visit.prefix or "/")
        else:
            set_cookie(visit, response, name, value)
    return response


def set_cookie(visit: Visit, response: Response, name: str, value: str) -> None:
    """Set a cookie that scripts cannot read and other sites do not cause to be sent."""
    response.set_cookie(
        name,
        value,
        path=visit.prefix or "/",
        secure=visit.request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of a form.

    Raises:
        ProblemError: It is too large, or not a form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("", "application/x-www-form-urlencoded"):
        raise ProblemError(Problem.bad_request(f"expected a form, got {kind}"))
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            limit = MAX_FORM_BYTES // 2**20
            raise ProblemError(Problem.bad_request(f"the form is larger than {limit} MiB", 413))
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=1000, errors="strict"
        )
    except (ValueError, UnicodeError):
        reason = "the form is not encoded as browsers encode forms in UTF-8"
        raise ProblemError(Problem.bad_request(reason)) from None
    return dict(pairs)


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)

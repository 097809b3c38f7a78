"""An exchange with tokens and documents, and a browser without scripts for its console."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from exchange.servers import LOOPBACK, serving
from starlette.testclient import TestClient

from crucible_ir.exchange import AsyncExchangeClient, ExchangeClient
from crucible_ir.exchange.server.options import ServerOptions
from crucible_ir.exchange.server.security.tokens import Role, TokenFile
from crucible_ir.web.console import application

BASE = "http://localhost:8080"

#: The elements without an end tag.
_VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}


@dataclass
class Element:
    """An element of a page."""

    name: str
    attributes: dict[str, str]
    parent: Element | None = None
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text in the element, with single spaces."""
        parts = (each if isinstance(each, str) else each.text for each in self.children)
        return " ".join(" ".join(parts).split())

    def all(self, name: str = "", **attributes: str) -> list[Element]:
        """Return the elements below with a name and with attributes; `class_` is one class."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                if child._is(name, attributes):
                    found.append(child)
                found += child.all(name, **attributes)
        return found

    def one(self, name: str = "", **attributes: str) -> Element:
        """Return the only element with a name and with attributes."""
        [found] = self.all(name, **attributes)
        return found

    def _is(self, name: str, attributes: dict[str, str]) -> bool:
        if name and self.name != name:
            return False
        for key, value in attributes.items():
            has = self.attributes.get(key.rstrip("_").replace("_", "-"))
            if has is None or (value not in has.split() if key == "class_" else value != has):
                return False
        return True


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = self.here = Element("", {})

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, self.here)
        assert len(attrs) == len(element.attributes), f"an attribute is given twice: {attrs}"
        self.here.children.append(element)
        if tag not in _VOID:
            self.here = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag) if tag not in _VOID else None

    def handle_endtag(self, tag: str) -> None:
        assert self.here.name == tag, f"</{tag}> ends <{self.here.name}>"
        assert self.here.parent is not None
        self.here = self.here.parent

    def handle_data(self, data: str) -> None:
        self.here.children.append(data)


def parse(html: str) -> Element:
    """Parse a page, in which every element that begins must end."""
    parser = _Parser()
    parser.feed(html)
    parser.close()
    assert parser.here is parser.root, f"<{parser.here.name}> does not end"
    return parser.root


class Browser:
    """A reader's browser."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def get(self, path: str, status: int = 200, **options: Any) -> Any:
        """Request a page."""
        response = self.client.get(path, **options)
        assert response.status_code == status, response.text
        return response

    def page(self, path: str, status: int = 200) -> Element:
        """Request a page and parse it."""
        return parse(self.get(path, status).text)

    def json(self, path: str, status: int = 200) -> Any:
        """Request a page as JSON."""
        return self.get(path, status).json()

    def post(self, path: str, **form: str) -> Any:
        """Send a form as a page of the console does."""
        return self.client.post(path, data=form, headers={"origin": BASE}, follow_redirects=False)


@dataclass
class Exchange:
    """A running exchange.

    Attributes:
        address: Its address.
        tokens: The token of each role, by name; empty if none is required.
    """

    address: str
    tokens: dict[str, str]

    def client(self, role: str = "admin") -> ExchangeClient:
        """Return a client."""
        return ExchangeClient(self.address, token=self.tokens.get(role))

    @contextmanager
    def browser(self, **options: Any) -> Iterator[Browser]:
        """Open a console of the exchange in a browser."""

        def connect(token: str | None) -> AsyncExchangeClient:
            return AsyncExchangeClient(self.address, token=token, wait_for_server=False)

        root_path = options.pop("root_path", "")
        app = application(connect, name="test", **options)
        with TestClient(app, base_url=BASE, root_path=root_path) as client:
            yield Browser(client)


@contextmanager
def running_exchange(folder: Path, *, with_tokens: bool = False) -> Iterator[Exchange]:
    """Run an exchange on a thread of its own."""
    tokens: dict[str, str] = {}
    options = ServerOptions(address=LOOPBACK)
    if with_tokens:
        file = TokenFile(folder / "tokens.json")
        tokens = {str(role): file.create(str(role), role)[1] for role in Role}
        options = ServerOptions(address=LOOPBACK, tokens=file)
    started: list[str] = []
    ready, done = threading.Event(), threading.Event()

    async def serve() -> None:
        async with serving(folder, options) as server:
            started.append(str(server.address))
            ready.set()
            await asyncio.to_thread(done.wait, 120)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield Exchange(started[0], tokens)
    finally:
        done.set()
        thread.join(30)

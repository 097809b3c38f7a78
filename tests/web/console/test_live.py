"""Changes as server-sent events, and what pages say when the exchange does not answer."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from exchange.ports import kept_port
from web.console.browsing import BASE, Exchange

from crucible_ir import v1
from crucible_ir.exchange import AsyncExchangeClient
from crucible_ir.exchange.client import errors
from crucible_ir.web.console import application
from crucible_ir.web.console import page as console_page
from crucible_ir.web.console.errors import problem_of


class Stream:
    """A request for server-sent events to an application, which ends when it is closed."""

    def __init__(self, app: Any, query: str) -> None:
        self.parts: asyncio.Queue[str] = asyncio.Queue()
        self.gone = asyncio.Event()
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/live",
            "raw_path": b"/live",
            "query_string": query.encode(),
            "headers": [(b"host", b"localhost"), (b"accept-encoding", b"gzip")],
            "scheme": "http",
            "server": ("localhost", 80),
        }
        self.task = asyncio.ensure_future(app(scope, self.receive, self.send))

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            await self.parts.put(message.get("body", b"").decode())

    async def event(self) -> tuple[str, Any]:
        """Return the next event."""
        async with asyncio.timeout(10):
            while True:
                part = await self.parts.get()
                if part.startswith("event: "):
                    name, _, data = part.partition("\ndata: ")
                    return name.removeprefix("event: "), json.loads(data)

    async def close(self) -> None:
        """Disconnect."""
        self.gone.set()
        with suppress(asyncio.CancelledError):
            await asyncio.wait_for(self.task, 10)


def test_changes_are_sent_as_they_happen(exchange: Exchange) -> None:
    async def work() -> None:
        def connect(token: str | None) -> AsyncExchangeClient:
            return AsyncExchangeClient(exchange.address, token=token)

        app = application(connect)
        async with app.router.lifespan_context(app), connect(None) as client:
            stream = Stream(app, "types=ModelRef,NoSuchType")
            name, begun = await stream.event()
            assert name == "begun"
            await client.publish(v1.DatasetRef(name="not watched"))
            published = await client.publish(v1.ModelRef(id="new\nevent: evil"))
            name, change = await stream.event()
            sequence = published.record.sequence
            assert sequence > begun["sequence"]
            key = {"type": "ModelRef", "id": "new\nevent: evil"}
            assert (name, change) == ("change", {"sequence": sequence, **key})
            other = Stream(app, "")
            await other.event()
            await stream.close()
        # A console that stops ends the streams.
        await asyncio.wait_for(other.task, 10)

    asyncio.run(work())


def test_exchange_that_does_not_answer_is_explained() -> None:
    address = f"127.0.0.1:{kept_port()}"
    with Exchange(address, {}).browser() as browser:
        page = browser.page("/", 503)
        assert page.one("h1").text == "The exchange does not answer"
        assert "Nothing that was acknowledged is lost" in page.text
        assert "crucible-ir serve" in page.one(class_="cmd").text
        problem = browser.json("/documents/ModelRef/m.json", 503)
        assert problem["code"] == "UNAVAILABLE" and address in problem["reason"]
        answer = browser.post("/sign-in", token="cir_some_token")
        assert answer.status_code == 503 and "set-cookie" not in answer.headers


def test_every_error_of_a_client_has_a_page() -> None:
    kinds = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.ExchangeError)
    ]
    problems = [problem_of(kind("why", code="X")) for kind in kinds]
    assert len(problems) > 10
    for problem in problems:
        assert problem is not None and problem.reason == "why"
        assert problem.status >= 400 and problem.headline and problem.advice
    assert problem_of(ValueError()) is None


def test_bug_is_answered_without_its_details(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    with exchange.browser() as browser:

        def fail(*arguments: object, **options: object) -> None:
            raise RuntimeError("a secret")

        monkeypatch.setattr(AsyncExchangeClient, "list_page", fail)
        answer = browser.get("/documents/ModelRef", 500)
        assert "frame-ancestors" in answer.headers["content-security-policy"]
        page = browser.page("/documents/ModelRef", 500)
        assert "bug of the console" in page.text and "secret" not in page.text
        assert browser.json("/documents/ModelRef.json", 500)["status"] == 500


def test_large_and_strange_forms_are_rejected(exchange: Exchange) -> None:
    with exchange.browser() as browser:
        headers = {"origin": BASE, "content-type": "application/x-www-form-urlencoded"}
        answer = browser.client.post("/theme", content=b"theme=" + b"x" * 2**23, headers=headers)
        assert answer.status_code == 413
        answer = browser.client.post("/theme", content=b"theme=%ff", headers=headers)
        assert answer.status_code == 400
        headers["content-type"] = "text/plain"
        assert browser.client.post("/theme", content=b"a=b", headers=headers).status_code == 400
        assert browser.client.get("/theme").status_code == 404


@pytest.mark.parametrize(("kind", "status"), [("http.request", 504), ("http.disconnect", 400)])
def test_form_that_does_not_end_is_given_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: str, status: int
) -> None:
    monkeypatch.setattr(console_page, "FORM_SECONDS", 0.1)
    app = application(lambda token: AsyncExchangeClient("127.0.0.1:1", token=token))
    statuses = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.03)
        return {"type": kind, "body": b"x", "more_body": True}

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    headers = [(b"host", b"localhost"), (b"origin", b"http://localhost")]
    scope = {"type": "http", "method": "POST", "path": "/theme", "raw_path": b"/theme"}
    scope |= {"query_string": b"", "headers": headers, "scheme": "http", "server": ("a", 80)}
    asyncio.run(asyncio.wait_for(app(scope, receive, send), 10))
    assert statuses[0] == status
    assert caplog.messages == []

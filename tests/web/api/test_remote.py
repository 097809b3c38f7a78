"""The HTTP API of an exchange in another process, as `crucible-ir console --server` offers it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from web.api.conftest import Guarded
from web.api.connect_client import (
    EXCHANGE,
    FEEDBACK,
    error_of,
    model,
    post,
    publish,
    reason_of,
    stream,
)
from web.http_servers import TIMEOUT

from crucible_ir.exchange.client.connection import Connection
from crucible_ir.exchange.server.security.limits import CallLimits
from crucible_ir.exchange.server.security.tokens import Role
from crucible_ir.web.api.remote import RemoteCalls
from crucible_ir.web.api.routes import api_routes
from crucible_ir.web.serving import web_application


def forwarding(address: str, *, is_private: bool) -> Iterator[str]:
    """Serve the API of an exchange at an address, and yield the URL."""
    calls = RemoteCalls(Connection(address).open_async, is_private=is_private, seconds=5)
    limits = CallLimits(message_bytes=100_000)
    routes = api_routes(calls, limits, write_seconds=5, requires_token=False)
    config = uvicorn.Config(web_application(routes), log_config=None, lifespan="off", port=0)
    server = uvicorn.Server(config)
    listening = config.bind_socket()
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
    thread.start()
    listening.listen()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(TIMEOUT)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def url(guarded: Guarded) -> Iterator[str]:
    yield from forwarding(str(guarded.running.server.address), is_private=True)


def client_of(url: str, token: str | None) -> httpx.Client:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT)


def test_calls_are_made_with_the_token_of_the_caller(url: str, guarded: Guarded) -> None:
    with client_of(url, None) as client:
        response = post(client, f"{EXCHANGE}/Get", {"type": "ModelRef", "id": "m"})
        assert error_of(response) == (401, "unauthenticated")
        assert reason_of(response.json()) == "TOKEN_MISSING"
    with client_of(url, guarded.tokens[Role.PUBLISHER]) as client:
        assert publish(client, "forwarded")["publisher"] == "the publisher"
        response = post(
            client, f"{EXCHANGE}/Get", {"type": "ModelRef", "id": "forwarded"}, x_request_id="r1"
        )
        assert response.headers["x-request-id"] == "r1"
        assert response.json()["document"] == model("forwarded")
        response = post(client, f"{EXCHANGE}/Compact", {"afterSequence": "0"})
        assert error_of(response) == (403, "permission_denied")
        assert post(client, f"{EXCHANGE}/Gett").status_code == 404
        response = post(client, f"{EXCHANGE}/Get", {"type": "x" * 200_000})
        assert error_of(response) == (429, "resource_exhausted")
        assert error_of(post(client, f"{EXCHANGE}/Get", {"typ": ""})) == (400, "invalid_argument")


def test_streams_are_forwarded(url: str, guarded: Guarded) -> None:
    with client_of(url, guarded.tokens[Role.PUBLISHER]) as client:
        publish(client, "watched remotely")
        request = {"afterSequence": "0", "idPrefix": "watched r"}
        changes, end = stream(client, f"{EXCHANGE}/Watch", [request], connect_timeout_ms="500")
        assert end["error"]["code"] == "deadline_exceeded"
        (change,) = (each["change"] for each in changes if "change" in each)
        assert change["record"]["id"] == "watched remotely"
        batches = [{"batchId": str(n), "events": [{"id": f"remote-{n}"}]} for n in range(3)]
        answers, end = stream(client, f"{FEEDBACK}/Ingest", [*batches, {"batch": 1}])
        assert [answer.get("accepted") for answer in answers] == [1, 1, 1]
        assert end["error"]["code"] == "invalid_argument"
        report = client.post("/v1/feedback", json={"id": "remote-4"}).json()
        assert (report["accepted"], report["rejected"]) == (1, 0)


def test_a_token_is_not_sent_in_plain_text(guarded: Guarded) -> None:
    address = str(guarded.running.server.address)
    for url in forwarding(address, is_private=False):
        with client_of(url, "secret") as client:
            response = post(client, f"{EXCHANGE}/Get", {"type": "ModelRef", "id": "m"})
            assert reason_of(response.json()) == "INSECURE_CHANNEL"
            _, end = stream(client, f"{EXCHANGE}/Watch", [{}])
            assert reason_of(end["error"]) == "INSECURE_CHANNEL"

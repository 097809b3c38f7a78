"""Streams of the Connect protocol over HTTP/1.1."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from exchange.endless import Work
from web.api.connect_client import (
    EXCHANGE,
    FEEDBACK,
    JSON_STREAM,
    details_of,
    framed,
    frames,
    model,
    publish,
    reason_of,
    stream,
)
from web.http_servers import LOOPBACK, TIMEOUT, RunningExchange, http_exchange

from crucible_ir.exchange import v1
from crucible_ir.exchange.server.options import ServerOptions
from crucible_ir.exchange.store import Store
from crucible_ir.exchange.store.statements import feedback
from crucible_ir.exchange.store.statements.lists import pages

WATCH = f"{EXCHANGE}/Watch"


def batch(number: int, *ids: str) -> dict[str, Any]:
    """Return a batch of events."""
    return {"batchId": number, "events": [{"id": id_} for id_ in ids]}


@contextmanager
def watching(client: httpx.Client, request: Any, **headers: str) -> Iterator[Iterator[Any]]:
    """Watch, and yield the changes as they come."""
    body = framed(json.dumps(request).encode())
    with client.stream("POST", WATCH, content=body, headers=JSON_STREAM | headers) as response:
        assert response.status_code == 200
        assert response.headers["x-accel-buffering"] == "no"

        def messages() -> Iterator[Any]:
            buffer = b""
            for chunk in response.iter_raw():
                buffer += chunk
                while len(buffer) >= 5 and len(buffer) >= 5 + int.from_bytes(buffer[1:5]):
                    end = 5 + int.from_bytes(buffer[1:5])
                    ((flags, content),) = frames(buffer[:end])
                    buffer = buffer[end:]
                    yield flags, json.loads(content)

        yield messages()


def test_a_watch_sends_changes_when_they_happen(client: httpx.Client) -> None:
    request = {"idPrefix": "watched-", "includeDocuments": True}
    with watching(client, request) as messages:
        flags, first = next(messages)
        assert (flags, list(first)) == (0, ["heartbeat"])
        publish(client, "other")
        publish(client, "watched-1")
        flags, change = next(messages)
        assert flags == 0
        assert change["change"]["document"] == model("watched-1")


def test_a_watch_ends_with_the_timeout_of_the_client(client: httpx.Client) -> None:
    with watching(client, {}, **{"connect-timeout-ms": "300"}) as messages:
        *_, (flags, end) = messages
    assert flags == 2
    assert end["error"]["code"] == "deadline_exceeded"


def test_the_error_of_a_stream_is_its_last_message(client: httpx.Client) -> None:
    messages, end = stream(client, WATCH, [{"idPrefix": "x" * 10_000}])
    assert messages == []
    assert end["error"]["code"] == "invalid_argument"
    (detail,) = details_of(end["error"])
    assert [each.field for each in detail.field_violations] == ["id_prefix"]


def test_batches_are_acknowledged_in_order(client: httpx.Client) -> None:
    batches = [batch(number, f"e{number}", "") for number in range(40)]
    answers, end = stream(client, f"{FEEDBACK}/Ingest", batches)
    assert end == {}
    assert [int(each.get("batchId", 0)) for each in answers] == list(range(40))
    assert {each["accepted"] for each in answers} == {1}
    (rejected,) = answers[7]["rejected"]
    assert rejected["index"] == 1


def test_events_are_exported_as_they_were_ingested(client: httpx.Client) -> None:
    stream(client, f"{FEEDBACK}/Ingest", [batch(1, "x1", "x2")])
    request = {"batchSize": 1}
    answers, end = stream(client, f"{FEEDBACK}/Export", [request])
    assert end == {}
    ids = [event["id"] for answer in answers for event in answer["events"]]
    assert len(answers) == len(ids)
    assert [id_ for id_ in ids if id_.startswith("x")] == ["x1", "x2"]


def test_documents_are_published_in_one_stream(client: httpx.Client) -> None:
    items = [{"index": n, "publish": {"document": model(f"many-{n}")}} for n in range(20)]
    items.append({"index": 20, "publish": {"document": model("")}})
    answers, end = stream(client, f"{EXCHANGE}/BatchPublish", items)
    assert end == {}
    assert [int(answer.get("index", 0)) for answer in answers] == list(range(21))
    assert answers[3]["published"]["record"]["id"] == "many-3"
    assert "error" in answers[20]


def test_an_unreadable_message_ends_the_stream_after_the_answers_before_it(
    client: httpx.Client,
) -> None:
    answers, end = stream(client, f"{FEEDBACK}/Ingest", [batch(1, "before"), {"batchID": "2"}])
    assert [answer["batchId"] for answer in answers] == ["1"]
    assert end["error"]["code"] == "invalid_argument"
    assert "batchID" in end["error"]["message"]


def test_binary_messages_of_streams(client: httpx.Client) -> None:
    request = v1.IngestRequest(batch_id=7)
    request.events.add(id="binary")
    headers = {"content-type": "application/connect+proto"}
    body = framed(request.SerializeToString())
    response = client.post(f"{FEEDBACK}/Ingest", content=body, headers=headers)
    (flags, answer), end = frames(response.content)
    assert (flags, end) == (0, (2, b"{}"))
    assert v1.IngestResponse.FromString(answer) == v1.IngestResponse(batch_id=7, accepted=1)


def test_messages_of_streams_are_compressed_one_by_one(client: httpx.Client) -> None:
    content = json.dumps(batch(1, *(f"packed-{n}" for n in range(500)))).encode()
    body = framed(gzip.compress(content), flags=1) + framed(json.dumps(batch(2, "plain")).encode())
    headers = JSON_STREAM | {"connect-content-encoding": "gzip"}
    response = client.post(f"{FEEDBACK}/Ingest", content=body, headers=headers)
    *answers, _ = frames(response.content)
    assert [json.loads(answer)["batchId"] for _, answer in answers] == ["1", "2"]
    exported, end = stream(
        client, f"{FEEDBACK}/Export", [{"batchSize": 1000}], connect_accept_encoding="gzip"
    )
    assert end == {}
    assert sum(event["id"].startswith("packed") for event in exported[0]["events"]) == 500


@pytest.mark.parametrize("count", [0, 2])
def test_a_method_with_one_request_rejects_other_numbers(client: httpx.Client, count: int) -> None:
    _, end = stream(client, WATCH, [{}] * count)
    assert end["error"]["code"] == "unimplemented"


def test_a_client_that_disconnects_ends_its_query(
    exchange: RunningExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work()

    async def last_event(store: Store) -> int:
        return 1

    monkeypatch.setattr(pages, "list_documents", lambda c, *_, **__: work.one_statement(c))
    monkeypatch.setattr(feedback, "export", lambda c, *_, **__: work.one_statement(c))
    monkeypatch.setattr(Store, "last_event", last_event)
    calls = {
        f"{EXCHANGE}/List": ("application/json", b'{"type": "ModelRef"}'),
        f"{FEEDBACK}/Export": ("application/connect+json", framed(b"{}")),
    }
    address = urlsplit(exchange.url)
    for count, (path, (type_, body)) in enumerate(calls.items(), 1):
        with socket.create_connection((address.hostname, address.port), TIMEOUT) as connection:
            head = f"POST {path} HTTP/1.1\r\nhost: {address.netloc}\r\ncontent-type: {type_}\r\n"
            connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            exchange.run(work.have_begun(count))
        left = time.monotonic()
        exchange.run(work.have_ended(count))
        assert work.ended[-1] - left < 1


def test_a_client_that_disconnects_ends_its_stream_of_requests(
    exchange: RunningExchange,
) -> None:
    address = urlsplit(exchange.url)
    path = f"{FEEDBACK}/Ingest"
    with socket.create_connection((address.hostname, address.port), TIMEOUT) as connection:
        head = f"POST {path} HTTP/1.1\r\nhost: {address.netloc}\r\n"
        head += "content-type: application/connect+json\r\ntransfer-encoding: chunked\r\n\r\n"
        body = framed(json.dumps(batch(9, "half")).encode())
        connection.sendall(head.encode() + b"%x\r\n%b\r\n" % (len(body), body))
        # The batch is acknowledged while the request is still open.
        received = b""
        while b'"accepted"' not in received:
            received += connection.recv(4096)
    sample = f'code="CANCELLED",method="{path}",protocol="connect"'
    until = time.monotonic() + TIMEOUT
    while f"crucible_ir_exchange_calls_total{{{sample}}} 1.0" not in metrics_of(exchange):
        assert time.monotonic() < until
        time.sleep(0.02)


def metrics_of(exchange: RunningExchange) -> str:
    """Return the metrics of a server."""
    return httpx.get(f"http://127.0.0.1:{exchange.server.metrics_port}/metrics").text


def test_a_slow_client_is_disconnected(client: httpx.Client, exchange: RunningExchange) -> None:
    for number in range(30):
        publish(client, f"slow-{number}", metadata={"text": "x" * 200_000})
    address = urlsplit(exchange.url)
    body = framed(b'{"afterSequence": "0", "includeDocuments": true}')
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(TIMEOUT)
        connection.connect((address.hostname, address.port))
        head = f"POST {WATCH} HTTP/1.1\r\nhost: {address.netloc}\r\n"
        head += "content-type: application/connect+json\r\n"
        connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        # Longer than a client may take for one message, and then for the end of the stream.
        time.sleep(2.5)
        size = 0
        with pytest.raises(ConnectionResetError):
            while chunk := connection.recv(65536):
                size += len(chunk)
            raise ConnectionResetError
    assert size < 6_000_000


def test_a_server_that_stops_ends_streams_and_rejects_calls(tmp_path: Path) -> None:
    options = ServerOptions(address=LOOPBACK, grace_seconds=5)
    with http_exchange(tmp_path, options) as running:
        with (
            httpx.Client(base_url=running.url, timeout=TIMEOUT) as client,
            watching(client, {}) as messages,
        ):
            assert next(messages)[0] == 0
            stopping = running.start(running.server.stop())
            *_, (flags, end) = messages
            stopping.result(TIMEOUT)
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{running.url}/healthz")
    assert flags == 2
    assert end["error"]["code"] == "unavailable"
    assert reason_of(end["error"]) == "DRAINING"

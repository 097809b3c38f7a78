"""A small client of the Connect protocol, written from its specification."""

from __future__ import annotations

import base64
import gzip
import json
import struct
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
from google.rpc import error_details_pb2

EXCHANGE = "/crucible_ir.exchange.v1.ExchangeService"
FEEDBACK = "/crucible_ir.exchange.v1.FeedbackService"

JSON_STREAM = {"content-type": "application/connect+json"}


def post(client: httpx.Client, path: str, message: Any = None, **headers: str) -> httpx.Response:
    """Make a unary call with JSON."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(path, json={} if message is None else message, headers=names)


def framed(*messages: bytes, flags: int = 0) -> bytes:
    """Return the body of a stream."""
    return b"".join(struct.pack(">BI", flags, len(each)) + each for each in messages)


def frames(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the flags and the content of the messages of a stream, which must be complete."""
    while body:
        flags, size = struct.unpack(">BI", body[:5])
        assert len(body) >= 5 + size, "the stream ends within a message"
        yield flags, body[5 : 5 + size]
        body = body[5 + size :]


def stream(
    client: httpx.Client, path: str, messages: Iterable[Any], **headers: str
) -> tuple[list[Any], dict[str, Any]]:
    """Make a call with streams of JSON, and return the responses and the end of the stream."""
    body = framed(*(json.dumps(message).encode() for message in messages))
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    response = client.post(path, content=body, headers=JSON_STREAM | names)
    assert response.status_code == 200
    assert response.headers["content-type"] == JSON_STREAM["content-type"]
    *found, (flags, end) = frames(response.content)
    assert flags == 2
    contents = [gzip.decompress(content) if flags & 1 else content for flags, content in found]
    return [json.loads(content) for content in contents], json.loads(end)


def error_of(response: httpx.Response) -> tuple[int, str]:
    """Return the HTTP status and the code of an error."""
    assert response.headers["content-type"] == "application/json"
    return response.status_code, response.json()["code"]


def details_of(error: dict[str, Any]) -> list[Any]:
    """Return the typed details of the JSON of an error."""
    found = []
    for detail in error.get("details", []):
        message = getattr(error_details_pb2, detail["type"].removeprefix("google.rpc."))()
        # Without padding, as the protocol requires.
        assert "=" not in detail["value"]
        message.ParseFromString(base64.b64decode(detail["value"] + "=="))
        found.append(message)
    return found


def reason_of(error: dict[str, Any]) -> str:
    """Return the reason in the ``ErrorInfo`` of the JSON of an error."""
    return next(
        (
            each.reason
            for each in details_of(error)
            if isinstance(each, error_details_pb2.ErrorInfo)
        ),
        "",
    )


def model(id_: str, **fields: Any) -> dict[str, Any]:
    """Return a document with a model in ProtoJSON."""
    return {"irVersion": "1", "modelRef": {"id": id_, **fields}}


def publish(client: httpx.Client, id_: str, **fields: Any) -> dict[str, Any]:
    """Publish a model, and return its record."""
    response = post(client, f"{EXCHANGE}/Publish", {"document": model(id_, **fields)})
    assert response.status_code == 200, response.text
    record: dict[str, Any] = response.json()["record"]
    return record

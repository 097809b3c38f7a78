"""Unary calls of the Connect protocol, by plain HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from web.http_servers import RunningExchange, http_exchange

SERVICE = "/crucible_ir.exchange.v1.ExchangeService"


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExchange]:
    with http_exchange(tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture(scope="module")
def client(exchange: RunningExchange) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=exchange.url, timeout=10) as found:
        yield found


def test_a_document_is_published_and_read_as_json(client: httpx.Client) -> None:
    document = {"irVersion": "1", "modelRef": {"id": "m"}}
    published = client.post(f"{SERVICE}/Publish", json={"document": document})
    assert published.status_code == 200
    assert published.json()["created"] is True
    found = client.post(f"{SERVICE}/Get", json={"type": "ModelRef", "id": "m"})
    assert found.headers["content-type"] == "application/json"
    assert found.json()["document"] == document

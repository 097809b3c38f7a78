"""Fixtures for the tests of the clients: servers, and a client of one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from exchange.client.served import Served, Wire

from crucible_ir.exchange import ExchangeClient


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for the tests that use documents of their own."""
    served = Served(tmp_path_factory.mktemp("exchange"))
    yield served
    served.stop()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A server for one test, which may kill it."""
    served = Served(tmp_path)
    yield served
    served.kill()


@pytest.fixture
def wire(shared: Served) -> Iterator[Wire]:
    """A connection to the shared server that can be cut."""
    wire = Wire(shared.port)
    yield wire
    wire.close()


@pytest.fixture
def client(shared: Served) -> Iterator[ExchangeClient]:
    with ExchangeClient(shared.address) as client:
        yield client

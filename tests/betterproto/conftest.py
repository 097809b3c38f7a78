"""Fixtures for the tests of the stubs: a running exchange."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from exchange.client.served import Served


@pytest.fixture(scope="session")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server shared by the tests, each of which uses its own documents."""
    served = Served(tmp_path_factory.mktemp("betterproto"))
    yield served
    served.stop()

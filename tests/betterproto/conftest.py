"""What the tests of the stubs have around them: an exchange."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from exchange.client.served import Served


@pytest.fixture(scope="session")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server for the tests, each of which has documents of its own."""
    served = Served(tmp_path_factory.mktemp("betterproto"))
    yield served
    served.stop()

"""Consoles for tests: of an exchange that requires tokens, and of one that does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from web.console.browsing import Browser, Exchange, running_exchange


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """An exchange without tokens, of the tests of one module."""
    with running_exchange(tmp_path_factory.mktemp("exchange")) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """An exchange that requires tokens."""
    with running_exchange(tmp_path_factory.mktemp("guarded"), with_tokens=True) as running:
        yield running


@pytest.fixture
def browser(exchange: Exchange) -> Iterator[Browser]:
    """A browser at the console of the exchange without tokens."""
    with exchange.browser() as opened:
        yield opened

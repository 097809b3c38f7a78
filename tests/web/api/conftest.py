"""Exchanges with HTTP for the tests of the API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from web.http_servers import LOOPBACK, TIMEOUT, RunningExchange, http_exchange

from crucible_ir.exchange.server.options import ServerOptions, Settings
from crucible_ir.exchange.server.security.limits import CallLimits
from crucible_ir.exchange.server.security.tokens import Role, TokenFile
from crucible_ir.exchange.store.records import Scope

#: The largest message of the server in the tests, in bytes.
MESSAGE_BYTES = 256 * 1024


@pytest.fixture(scope="package")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExchange]:
    """An exchange without tokens."""
    options = ServerOptions(
        address=LOOPBACK,
        limits=CallLimits(message_bytes=MESSAGE_BYTES, seconds=1.0),
        metrics_port=0,
        grace_seconds=2.0,
    )
    settings = Settings(slow_consumer_seconds=1.0)
    with http_exchange(tmp_path_factory.mktemp("open"), options, settings) as running:
        yield running


@pytest.fixture(scope="package")
def client(exchange: RunningExchange) -> Iterator[httpx.Client]:
    """A client of the exchange without tokens."""
    with httpx.Client(base_url=exchange.url, timeout=TIMEOUT) as found:
        yield found


class Guarded:
    """An exchange with tokens.

    Attributes:
        running: The exchange.
        tokens: A token of each role.
        scoped: The token of a publisher whose documents begin with ``team-a/``.
    """

    def __init__(self, folder: Path, file: TokenFile) -> None:
        self.folder = folder
        self.file = file
        self.tokens = {role: file.create(f"the {role}", role)[1] for role in Role}
        scope = Scope(None, ("team-a/",))
        self.scoped = file.create("team a", Role.PUBLISHER, scope=scope)[1]
        self.running: RunningExchange


@pytest.fixture(scope="package")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """An exchange with tokens."""
    folder = tmp_path_factory.mktemp("guarded")
    found = Guarded(folder, TokenFile(folder / "tokens.json"))
    options = ServerOptions(address=LOOPBACK, tokens=found.file, grace_seconds=2.0)
    with http_exchange(folder, options) as found.running:
        yield found

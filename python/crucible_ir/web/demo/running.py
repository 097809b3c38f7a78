"""Runs an exchange with the example data, and the console beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from crucible_ir.exchange.server.options import ServerOptions, Settings
from crucible_ir.exchange.server.security.tokens import TokenFile
from crucible_ir.exchange.server.services.registration import Services, service_names
from crucible_ir.exchange.server.serving import ExchangeServer, serve_until_signalled
from crucible_ir.exchange.store.opening import open_store
from crucible_ir.web.demo.filling import STORE_FILE, TOKENS_FILE
from crucible_ir.web.demo.living import Living
from crucible_ir.web.frontend import FrontendOptions, add_http

if TYPE_CHECKING:
    from crucible_ir.exchange.server.listening import Address


async def run(
    folder: Path,
    listen: Address,
    http: Address,
    tokens: Mapping[str, str],
    announce: Callable[[str, str], None],
) -> None:
    """Serve the exchange in a folder, and continue its story, until a signal.

    Args:
        folder: The folder, which is prepared.
        listen: The address for gRPC.
        http: The address for HTTP.
        tokens: The tokens of the callers; empty to require none.
        announce: Called with the URL and the address for gRPC once the server listens.

    Raises:
        ServingError: An address cannot be used.
    """
    file = TokenFile(folder / TOKENS_FILE) if tokens else None
    options = ServerOptions(address=listen, tokens=file, grace_seconds=1)
    settings = Settings()
    store = await open_store(folder / STORE_FILE)
    try:
        server = ExchangeServer(Services(store, settings), service_names(), options)
        web = add_http(server, FrontendOptions(http), options, settings)
        server.add(Living(lambda: str(server.address), tokens))
        await serve_until_signalled(server, lambda address: announce(web.url, str(address)))
    finally:
        await store.close()

"""Publishes a story into a new exchange, as its callers would have done at their time.

The exchange is a real one with tokens, in this process, and the story passes through the ordinary
client. Only its clock is set: it shows the time of each step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Final

from crucible_ir.errors import Error
from crucible_ir.exchange.client.async_client import AsyncExchangeClient
from crucible_ir.exchange.client.requests import Publication
from crucible_ir.exchange.server.listening import parse_address
from crucible_ir.exchange.server.options import ServerOptions
from crucible_ir.exchange.server.security.tokens import Role, TokenFile
from crucible_ir.exchange.server.services.registration import Services, service_names
from crucible_ir.exchange.server.serving import ExchangeServer
from crucible_ir.exchange.store.opening import open_store
from crucible_ir.web.demo.steps import Append, Configure, Delete, Ingest, Publish, Step
from crucible_ir.web.demo.story import CALLERS

#: The files of an exchange with example data, in its folder.
STORE_FILE: Final = "exchange.db"
TOKENS_FILE: Final = "tokens.json"

#: The file that marks a folder whose exchange has all the example data, and nothing of value.
_MARK_FILE: Final = "EXAMPLE-DATA"
_MARK: Final = "The exchange in this folder has the example data of `crucible-ir demo`.\n"

_ADDRESS: Final = "127.0.0.1:0"


class FillingError(Error):
    """The example data cannot be published."""


class StoryClock:
    """A clock that shows the time of the step that is carried out, in microseconds."""

    def __init__(self) -> None:
        self._time = 0

    def __call__(self) -> int:
        """Return the time."""
        return self._time

    def set(self, time: datetime) -> None:
        """Set the time."""
        self._time = round(time.timestamp() * 1_000_000)


def new_tokens(folder: Path) -> dict[str, str]:
    """Return a new token for each caller by name; earlier ones no longer work."""
    path = folder / TOKENS_FILE
    path.unlink(missing_ok=True)
    file = TokenFile(path)
    return {name: file.create(name, Role[role.upper()])[1] for name, role in CALLERS.items()}


async def prepare(folder: Path, steps: Callable[[], Iterable[Step]]) -> dict[str, str]:
    """Fill the exchange in a folder unless that was done before, and return new tokens.

    Args:
        folder: The folder, which exists.
        steps: Returns the steps, the earliest first.

    Raises:
        FillingError: The folder has other files, or the exchange rejects a step.
        ExchangeError: A call failed.
    """
    mark = folder / _MARK_FILE
    if mark.exists():
        return new_tokens(folder)
    if any(folder.iterdir()):
        raise FillingError(f"{folder} has other files than example data: name an empty folder")
    tokens = await fill(folder, steps())
    mark.write_text(_MARK, encoding="utf-8")
    return tokens


async def fill(folder: Path, steps: Iterable[Step]) -> dict[str, str]:
    """Publish steps into a new exchange in a folder.

    Args:
        folder: The folder, which gets the files `STORE_FILE` and `TOKENS_FILE`.
        steps: The steps, the earliest first.

    Returns:
        The tokens of the callers by their names.

    Raises:
        FillingError: The exchange rejects a step.
        ExchangeError: A call failed.
    """
    tokens = new_tokens(folder)
    clock = StoryClock()
    async with AsyncExitStack() as stack:
        store = await open_store(folder / STORE_FILE, clock=clock)
        stack.push_async_callback(store.close)
        options = ServerOptions(
            address=parse_address(_ADDRESS), tokens=TokenFile(folder / TOKENS_FILE), grace_seconds=1
        )
        server = ExchangeServer(Services(store), service_names(), options)
        await stack.enter_async_context(server)
        clients = {
            name: await stack.enter_async_context(
                AsyncExchangeClient(str(server.address), token=token)
            )
            for name, token in tokens.items()
        }
        for (at, by, kind), group in groupby(steps, lambda step: (step.at, step.by, type(step))):
            clock.set(at)
            if kind is Publish:
                await _publish(clients[by], [step for step in group if isinstance(step, Publish)])
                continue
            for step in group:
                await _carry_out(clients[by], step)
    return tokens


async def _publish(client: AsyncExchangeClient, steps: list[Publish]) -> None:
    publications = [Publication(step.document, step.id) for step in steps]
    async for outcome in client.publish_many(publications):
        if outcome.error is not None:
            raise outcome.error


async def _carry_out(client: AsyncExchangeClient, step: Step) -> None:
    match step:
        case Append():
            await client.append_metrics(
                step.run,
                step.snapshots(),
                status=step.status,
                checkpoint_uris=step.checkpoint_uris,
                changes=step.changes,
            )
        case Delete():
            await client.delete(step.type, step.id)
        case Configure():
            await client.set_feedback_config(step.config, step.deployment_id)
        case Ingest():
            report = await client.ingest(step.events)
            if report.refused_count:
                first = report.refused[0]
                raise FillingError(f"the feedback event {first.id} was rejected: {first.error}")

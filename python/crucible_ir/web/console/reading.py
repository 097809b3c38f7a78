"""Documents as pages read them: training runs without their metrics, many at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Final

from crucible_ir.exchange.client.errors import NotFoundError
from crucible_ir.schema.types import content_of
from crucible_ir.v1 import TrainingRun

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.exchange import AsyncExchangeClient, Record

#: The most calls of one page at a time.
_CONCURRENT: Final = 12

#: The type whose documents may be too large to read as they are.
RUN: Final = TrainingRun.DESCRIPTOR.name

#: The type, the id and the revision of a document.
Revision = tuple[str, str, int]


@cache
def has_history(type_: str) -> bool:
    """Return whether documents of a type have a history of metrics, which pages read apart."""
    return type_ == RUN


async def read_content(
    client: AsyncExchangeClient, type_: str, id_: str, revision: int | None = None
) -> Message | None:
    """Return the content of a document; a training run has no metrics history.

    Returns:
        ``None`` if the revision is a deletion.

    Raises:
        NotFoundError: The document or the revision does not exist.
        ExchangeError: The call failed.
    """
    if has_history(type_):
        return (await client.read_metrics(id_, revision=revision, limit=1)).run
    document = (await client.get(type_, id_, revision=revision)).document
    return None if document is None else content_of(document)


async def read_contents(
    client: AsyncExchangeClient, revisions: Iterable[Revision]
) -> Mapping[Revision, Message]:
    """Return the contents of many revisions; those that do not exist any more are left out.

    Raises:
        ExchangeError: A call failed.
    """
    slots = asyncio.Semaphore(_CONCURRENT)

    async def read(key: Revision) -> tuple[Revision, Message | None]:
        async with slots:
            try:
                return key, await read_content(client, *key)
            except NotFoundError:
                return key, None

    wanted = sorted(set(revisions))
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(read(key)) for key in wanted]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    found = (task.result() for task in tasks)
    return {key: content for key, content in found if content is not None}


async def latest_record(client: AsyncExchangeClient, type_: str, id_: str) -> Record:
    """Return the record of the latest revision, which may be a deletion.

    Raises:
        NotFoundError: The document was never published.
        ExchangeError: The call failed.
    """
    async for entry in client.list_revisions(type_, id_, page_size=1):
        return entry.record
    raise NotFoundError(f"{type_} {id_} does not exist", code="NOT_FOUND")

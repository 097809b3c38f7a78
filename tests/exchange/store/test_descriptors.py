"""A store opens its connections first: it needs no further file descriptor."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from exchange import postgresql
from exchange import publications as given
from exchange.publications import publication

from crucible_ir.exchange.store import open_store
from crucible_ir.exchange.store.records import ListQuery
from crucible_ir.exchange.store.sql_store import Store

#: The descriptors of this process during a test: more than it has open otherwise.
DESCRIPTORS = 512


@contextmanager
def no_new_descriptor() -> Iterator[None]:
    """Take all file descriptors, so that this process can open nothing more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))
    taken: list[int] = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.dup(0))
        assert taken
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)


async def use(store: Store) -> None:
    """Write, and read on all connections at once; large batches would take temporary files."""
    for number in range(3):
        await store.publish(publication(f"m{number}"))
    await store.ingest([given.event(f"{number}") for number in range(100)])
    reads = [store.list_documents(ListQuery("ModelVersion", limit=10)) for _ in range(16)]
    lookups = [store.get("ModelVersion", "m1", 1) for _ in range(64)]
    await asyncio.gather(*reads, *lookups)


async def check(first: str | Path, second: str | Path) -> None:
    """Use two stores: the first for the modules that Python loads, the second without files."""
    store = await open_store(first)
    await use(store)
    await store.close()
    store = await open_store(second)
    with no_new_descriptor():
        await use(store)
    await store.close()


async def test_store_in_sqlite_opens_its_connections_first(tmp_path: Path) -> None:
    await check(tmp_path / "first.db", tmp_path / "second.db")


async def test_store_in_postgresql_opens_its_connections_first(cluster: postgresql.Cluster) -> None:
    await check(cluster.create_database(), cluster.create_database())

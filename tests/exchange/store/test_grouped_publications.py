"""Publications that share a transaction leave the same store as one after another."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from exchange import publications as given
from exchange.publications import publication, reference
from sqlalchemy import Connection, event, select

from crucible_ir.exchange.store import Store, open_store
from crucible_ir.exchange.store.errors import RequestIdReusedError, StaleEtagError, StoreRejection
from crucible_ir.exchange.store.records import DeleteCommand
from crucible_ir.exchange.store.statements.tables import METADATA

Step = Callable[[Store], Awaitable[object]]

#: Tables that differ between any two stores.
DIFFERENT = ("secrets", "epochs", "counters")


def publishing(*arguments: Any, **named: Any) -> Step:
    return lambda store: store.publish(publication(*arguments, **named))


def deleting(id_: str) -> Step:
    return lambda store: store.delete(DeleteCommand("ModelVersion", id_))


def ingesting(id_: str) -> Step:
    return lambda store: store.ingest([given.event(id_)])


STEPS: Sequence[Step] = [
    publishing("a", "1", fields=[("stage", "x"), ("tag", "1"), ("tag", "2")], request_id="r1"),
    publishing("b", "1"),
    publishing("a", "1", fields=[("stage", "x")]),
    publishing("a", "1", request_id="r1"),
    publishing("a", "2", request_id="r1"),
    publishing(
        "a",
        "2",
        fields=[("stage", "y")],
        references=[reference("ModelVersion/a", "model_id", "ModelRef/m")],
    ),
    publishing("b", "2", fields=[("stage", "x")], references=[]),
    publishing("c", "1", etag="wrong"),
    publishing("c", "1", etag="", requires="0.3.0", publisher="someone"),
    deleting("b"),
    ingesting("e1"),
    deleting("none"),
    publishing("b", "3", fields=[("stage", "z")]),
    publishing("d\0é'%(id)s", "1", fields=[("stage", "\0")], request_id="r\0"),
    publishing("c", "2", fields=[("stage", "y")]),
    deleting("c"),
]


async def outcomes_of(store: Store, steps: Sequence[Step], *, together: bool) -> list[str]:
    """Return what a store says to each step."""
    results: list[object] = []
    if together:
        results += await asyncio.gather(*(step(store) for step in steps), return_exceptions=True)
    else:
        for step in steps:
            try:
                results.append(await step(store))
            except StoreRejection as error:
                results.append(error)
    return list(map(repr, results))


async def content_of(store: Store) -> dict[str, list[str]]:
    """Return the rows of each table, without generated numbers."""

    def read(connection: Connection) -> dict[str, list[str]]:
        return {
            table.name: sorted(
                repr(tuple(row))
                for row in connection.execute(
                    select(*(column for column in table.c if column.name != "number"))
                )
            )
            for table in METADATA.sorted_tables
            if table.name not in DIFFERENT
        }

    return await store._database.read(read)


async def opened(address: str) -> Store:
    return await open_store(address, clock=lambda: 1_700_000_000_000_000)


async def test_publications_that_share_a_transaction_are_as_those_one_by_one(
    address: str, tmp_path: Path
) -> None:
    expected = await opened(str(tmp_path / "one by one.db"))
    store = await opened(address)
    outcomes = await outcomes_of(expected, STEPS, together=False)
    assert await outcomes_of(store, STEPS, together=True) == outcomes
    assert any(RequestIdReusedError.__name__ in outcome for outcome in outcomes)
    assert any(StaleEtagError.__name__ in outcome for outcome in outcomes)
    assert await content_of(store) == await content_of(expected)
    await expected.close()
    await store.close()


async def test_any_order_of_publications_has_one_outcome(tmp_path: Path) -> None:
    numbers = random.Random(7)
    for number in range(3):
        steps = numbers.choices(STEPS, k=30)
        one = await opened(str(tmp_path / f"one {number}.db"))
        other = await opened(str(tmp_path / f"other {number}.db"))
        expected = await outcomes_of(one, steps, together=False)
        assert await outcomes_of(other, steps, together=True) == expected
        assert await content_of(other) == await content_of(one)
        await one.close()
        await other.close()


async def test_publications_share_statements(address: str) -> None:
    store = await opened(address)
    statements: list[str] = []
    event.listen(
        store._database._driver.writer, "before_cursor_execute", lambda *a: statements.append(a[2])
    )
    await asyncio.gather(
        *(
            store.publish(publication(f"m{number}", fields=[("stage", "x"), ("tag", "y")]))
            for number in range(200)
        )
    )
    # One to find the latest revision, and one to take a sequence number.
    assert len(statements) < 2.5 * 200
    await store.close()


async def test_failed_group_leaves_no_changes_to_the_next(address: str) -> None:
    store = await opened(address)
    results = await asyncio.gather(
        store.publish(publication("a")),
        store.publish(publication("b", fields=[("stage", "x" * 10)], type_="T" * 65)),
        store.ingest([given.event("x")._replace(latency_ms=2**70)]),
        return_exceptions=True,
    )
    assert isinstance(results[2], Exception)
    published = await store.publish(publication("c"))
    assert published.record.sequence == await store.position()
    changes = await store.changes(0)
    assert [entry.record.id for entry in changes.entries][-1] == "c"
    assert len(changes.entries) == published.record.sequence
    await store.close()

"""Publications that share a transaction leave the same store as one after another."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from exchange import publications as given
from exchange.publications import publication, reference
from sqlalchemy import Connection, event, select

from crucible_ir import v1
from crucible_ir.building.run_progress import add_progress
from crucible_ir.exchange.store import Store, open_store
from crucible_ir.exchange.store.engine import database
from crucible_ir.exchange.store.errors import (
    AppendedToError,
    DocumentNotFoundError,
    RequestIdReusedError,
    SnapshotCountError,
    StaleEtagError,
    StoreRejection,
)
from crucible_ir.exchange.store.records import (
    AppendCommand,
    DeleteCommand,
    PublishCommand,
    RequestKey,
)
from crucible_ir.exchange.store.statements.runs import RUN
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


def run_publication(id_: str, steps: Sequence[int] = (), **fields: Any) -> PublishCommand:
    run = v1.TrainingRun(id=id_, metrics_history=map(snapshot, steps), **fields)
    document = v1.Document(training_run=run).SerializeToString()
    return replace(publication(id_, type_=RUN), document=document, content_hash=document)


def snapshot(step: int) -> v1.MetricsSnapshot:
    return v1.MetricsSnapshot(step=step, values={"loss": 1 / (1 + step)})


def appending(id_: str, steps: Sequence[int], request_id: str = "", **named: Any) -> Step:
    update = v1.TrainingRun(status=named.pop("status", 0))
    add_progress(update, snapshots := list(map(snapshot, steps)))
    if request_id:
        named["request"] = RequestKey(request_id, repr(steps).encode())
    return lambda store: store.append(AppendCommand(id_, snapshots, update, **named))


APPENDS: Sequence[Step] = [
    lambda store: store.publish(run_publication("a", [0, 1])),
    lambda store: store.publish(run_publication("b")),
    appending("a", [2], expected_count=2),
    appending("a", [2], expected_count=2),
    appending("a", [9], expected_count=2),
    appending("b", [0]),
    appending("a", [3, 4], "r1", publisher="someone"),
    appending("a", [3, 4], "r1", publisher="someone"),
    appending("a", [5], status=v1.TrainingStatus.TRAINING_STATUS_RUNNING),
    appending("a", [5]),
    appending("a", [], status=v1.TrainingStatus.TRAINING_STATUS_RUNNING),
    appending("a", [7], etag="wrong"),
    appending("none", [7]),
    publishing("c", "1", fields=[("stage", "x")]),
    appending("b", [1]),
    lambda store: store.publish(run_publication("b", [5])),
    appending("a", [6]),
    lambda store: store.delete(DeleteCommand(RUN, "b")),
    appending("b", [2]),
    appending("a", [7], expected_count=8),
    lambda store: store.publish(run_publication("b", [5])),
    appending("b", [6]),
    appending("a", [8], status=v1.TrainingStatus.TRAINING_STATUS_COMPLETED),
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


async def test_appends_that_share_a_transaction_are_as_those_one_by_one(
    address: str, tmp_path: Path
) -> None:
    expected = await opened(str(tmp_path / "one by one.db"))
    store = await opened(address)
    outcomes = await outcomes_of(expected, APPENDS, together=False)
    assert await outcomes_of(store, APPENDS, together=True) == outcomes
    for error in (SnapshotCountError, AppendedToError, DocumentNotFoundError, StaleEtagError):
        assert any(error.__name__ in outcome for outcome in outcomes)
    assert await store.get(RUN, "a") == await expected.get(RUN, "a")
    run = v1.Document.FromString((await store.get(RUN, "a")).document or b"").training_run
    assert [snapshot.step for snapshot in run.metrics_history] == [0, 1, 2, 3, 4, 5, 5, 6, 7, 8]
    assert (run.status, run.current_step) == (v1.TrainingStatus.TRAINING_STATUS_COMPLETED, 8)
    left, right = await content_of(store), await content_of(expected)
    for table in ("field_values", "number_values", "document_references", "requests"):
        assert left[table] == right[table]
    await expected.close()
    await store.close()


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
    # A publication has none of its own.
    assert len(statements) < 60
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


async def test_callers_who_were_answered_together_share_the_next_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "MAX_GATHER_SECONDS", 5.0)
    store = await opened(str(tmp_path / "exchange.db"))
    count_commit = store._database._driver.count_commit

    def commit_slowly(connection: Connection) -> int:
        time.sleep(0.05)
        return count_commit(connection)

    monkeypatch.setattr(store._database._driver, "count_commit", commit_slowly)

    async def publish(caller: int) -> None:
        for number in range(10):
            await asyncio.sleep(0.001 * (number * caller % 7))
            await store.publish(publication(f"{caller}/{number}"))

    await asyncio.gather(*map(publish, range(8)))
    # Without waiting for each other, those who came first and the others would take turns.
    assert store.statistics.transactions <= 15
    await store.close()


async def test_a_caller_alone_waits_for_nobody(tmp_path: Path) -> None:
    store = await opened(str(tmp_path / "exchange.db"))
    waits: list[None] = []

    class Watched(asyncio.Event):
        async def wait(self) -> Literal[True]:
            waits.append(None)
            return await super().wait()

    store._database._gathered = Watched()
    for number in range(20):
        await store.publish(publication(f"m{number}"))
    assert not waits
    await asyncio.gather(*(store.publish(publication(f"n{number}")) for number in range(3)))
    for number in range(20):
        await store.publish(publication(f"o{number}"))
    # The first of these waited for those who had shared the transaction before.
    assert len(waits) == 1
    await store.close()

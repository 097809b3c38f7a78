"""The audit log has an entry for each change, in the transaction of the change."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest
from exchange.publications import publication
from sqlalchemy import Connection

from crucible_ir.exchange.store import Store, open_store
from crucible_ir.exchange.store.audit_records import (
    SERVER,
    Actor,
    AuditAction,
    AuditEntry,
    AuditQuery,
    Authentication,
)
from crucible_ir.exchange.store.errors import (
    DocumentNotFoundError,
    RequestIdReusedError,
    StaleEtagError,
)
from crucible_ir.exchange.store.records import DeleteCommand, PublishCommand
from crucible_ir.exchange.store.statements import audit
from crucible_ir.exchange.transitions import Transition

ANN = Actor("ann", Authentication.TOKEN, "call-1")
BOB = Actor("bob", Authentication.CERTIFICATE, "call-2")

PROMOTION = {"stage.from": "staging", "stage.to": "production"}


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[Store]:
    store = await open_store(address)
    try:
        yield store
    finally:
        await store.close()


def by(actor: Actor, command: PublishCommand) -> PublishCommand:
    return replace(command, actor=actor)


async def log(store: Store, query: AuditQuery | None = None) -> list[AuditEntry]:
    """Return every entry of a query, over all of its pages."""
    query = query or AuditQuery()
    found: list[AuditEntry] = []
    while True:
        page = await store.list_audit(query)
        found += page.entries
        if page.next is None:
            return found
        query = replace(query, after=page.next)


def summary(entries: list[AuditEntry]) -> list[tuple[object, ...]]:
    return [(e.action.value, e.actor.name, e.type, e.id, e.revision) for e in entries]


async def test_changes_have_an_entry_and_what_changes_nothing_has_none(address: str) -> None:
    async with opened(address) as store:
        first = by(ANN, publication("m", request_id="r"))
        await store.publish(first)
        await store.publish(first)
        await store.publish(by(BOB, publication("m")))
        await store.preview(by(BOB, publication("m", "two")))
        for rejected, error in (
            (publication("m", "two", etag="wrong"), StaleEtagError),
            (publication("m", "two", request_id="r"), RequestIdReusedError),
        ):
            with pytest.raises(error):
                await store.publish(by(ANN, rejected))
        await store.publish(by(BOB, publication("m", "two")))
        await store.delete(DeleteCommand("ModelVersion", "m", actor=ANN))
        with pytest.raises(DocumentNotFoundError):
            await store.delete(DeleteCommand("ModelVersion", "m", actor=ANN))
        entries = await log(store)
    assert summary(entries) == [
        ("deleted", "ann", "ModelVersion", "m", 3),
        ("published", "bob", "ModelVersion", "m", 2),
        ("published", "ann", "ModelVersion", "m", 1),
    ]
    assert entries[1].actor == BOB
    assert entries[0].number > entries[1].number > entries[2].number > 0
    assert entries[0].time >= entries[2].time > 1_700_000_000_000_000


async def test_a_promotion_has_the_earlier_and_the_new_value(address: str) -> None:
    seen: list[bytes] = []

    def transition(earlier: bytes) -> Transition:
        seen.append(earlier)
        return Transition(PROMOTION)

    async with opened(address) as store:
        for body in ("one", "two"):
            await store.publish(replace(publication("m", body), transition=transition))
        entries = await log(store)
    assert seen == [b"one"]
    assert [entry.action for entry in entries] == [AuditAction.PROMOTED, AuditAction.PUBLISHED]
    assert entries[0].details == PROMOTION


async def test_entries_outlive_the_revisions_that_a_compaction_removes(address: str) -> None:
    async with opened(address) as store:
        for body in ("one", "two", "three"):
            await store.publish(by(ANN, publication("m", body)))
        await store.compact(2, BOB)
        await store.compact(2, BOB)
        await store.compact(2, SERVER)
        entries = await log(store)
    assert [entry.action.value for entry in entries] == ["compacted"] * 2 + ["published"] * 3
    assert [(e.actor, e.counts) for e in entries[:2]] == [
        (BOB, {"revisions": 0}),
        (BOB, {"revisions": 2}),
    ]
    assert entries[0].details == {"through_sequence": "2"}


async def test_a_compaction_in_steps_has_one_entry(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crucible_ir.exchange.store.sql_store.COMPACTION_STEP", 2)
    async with opened(address) as store:
        for number in range(7):
            await store.publish(publication("m", str(number)))
        await store.compact(7, SERVER)
        entries = await log(store, AuditQuery(actions=(AuditAction.COMPACTED,)))
    assert [(entry.actor, entry.counts) for entry in entries] == [(SERVER, {"revisions": 6})]


async def test_an_entry_is_completed_when_its_action_has_ended(address: str) -> None:
    async with opened(address) as store:
        number = await store.audit(
            AuditAction.EXPORTED,
            ANN,
            id_="deploy",
            counts={"events": 0},
            details={"deployment_id": "d\0", "outcome": "unfinished"},
        )
        await store.complete_audit(number, {"events": 3}, {"outcome": "complete"})
        [entry] = await log(store)
    assert (entry.number, entry.id) == (number, "deploy")
    assert entry.counts == {"events": 3}
    assert entry.details == {"deployment_id": "d\0", "outcome": "complete"}


#: The times of the entries that each query finds, of ten entries with the times 0 to 9.
QUERIES = (
    (AuditQuery(), "9876543210"),
    (AuditQuery(caller="ann"), "86420"),
    (AuditQuery(caller="nobody"), ""),
    (AuditQuery(actions=(AuditAction.DELETED, AuditAction.PURGED)), "9630"),
    (AuditQuery(type="ModelVersion"), "97531"),
    (AuditQuery(id="m1"), "852"),
    (AuditQuery(type="ModelVersion", id="m1"), "5"),
    (AuditQuery(start_time=3, end_time=6), "543"),
    (AuditQuery(start_time=3, caller="ann", actions=(AuditAction.DELETED,)), "6"),
)


async def test_pages_have_each_entry_once_newest_first(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "MAX_EXAMINED", 4)
    # The order in which they are written is not that of their times.
    entries = [
        AuditEntry(
            AuditAction.PUBLISHED if number % 3 else AuditAction.DELETED,
            BOB if number % 2 else ANN,
            time=number,
            type="ModelVersion" if number % 2 else None,
            id=f"m{number % 3 - 1}",
        )
        for number in (4, 5, 6, 7, 8, 9, 0, 1, 2, 3)
    ]
    async with opened(address) as store:
        await written(store, partial(add_all, entries))
        for query, expected in QUERIES:
            for limit in (1, 3, 100):
                found = await log(store, replace(query, limit=limit))
                times = "".join(str(entry.time) for entry in found)
                assert times == expected, (query, limit)


def add_all(entries: list[AuditEntry], connection: Connection) -> None:
    for entry in entries:
        audit.add(connection, entry)


async def written(store: Store, work: Callable[[Connection], object]) -> None:
    """Run work in a transaction of a store."""
    await store._database.write(work)


async def test_a_page_examines_a_limited_number_of_entries(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "MAX_EXAMINED", 10)
    entries = [AuditEntry(AuditAction.PUBLISHED, ANN, time=number) for number in range(35)]
    async with opened(address) as store:
        await written(store, partial(add_all, entries))
        query = AuditQuery(caller="nobody")
        pages = 1
        while (page := await store.list_audit(query)).next is not None:
            assert page.entries == []
            pages += 1
            query = replace(query, after=page.next)
    assert pages == 4


async def test_old_entries_are_removed(address: str) -> None:
    entries = [AuditEntry(AuditAction.PUBLISHED, ANN, time=number) for number in range(5)]
    async with opened(address) as store:
        await written(store, partial(add_all, entries))
        await store.forget_audit(3)
        assert [entry.time for entry in await log(store)] == [4, 3]


async def test_a_transaction_that_fails_leaves_no_entry(address: str) -> None:
    def fails(connection: Connection) -> None:
        audit.add(connection, AuditEntry(AuditAction.PURGED, ANN, time=1))
        raise RuntimeError("fails")

    async with opened(address) as store:
        with pytest.raises(RuntimeError):
            await written(store, fails)
        await store.publish(publication("m"))
        assert [entry.action for entry in await log(store)] == [AuditAction.PUBLISHED]
